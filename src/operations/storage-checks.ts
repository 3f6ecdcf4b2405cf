import { isCloverError } from '../errors.js'
import type { Installation } from '../installation.js'
import type { CheckName } from './checks.js'
import type { DiagnosisContext } from './context.js'
import { found, ok, type Finding } from './finding.js'
import { readAll, type Listing } from './listing.js'
import { whyStorageFailed } from './storage-failure.js'

/** @internal What the checks of the store get. */
export type StorageContext = Pick<DiagnosisContext, 'app' | 'store' | 'make' | 'clock' | 'runtime' | 'throwIfStopped'>

/** Reads at once, so that they take several connections of a pool, some of which may lead to a replica. */
const readsAtOnce = 4

/** The most records that a message names. */
const mostNamed = 3

const contract = 'Run the conformance cases against the adapter: storageConformance of fastify-clover/testing.'
const primary = 'Give the adapter a connection to the primary only, without a cache or a replica in between.'

/** A temporary record, and a later version of it. */
interface Trial extends StorageContext {
  merchantId: string
  first: Installation
  second: Installation
}

/** A step of the trial. Resolves with its findings; one that is an error of the step's own check ends the trial, since what follows would prove nothing. */
interface Step {
  check: CheckName
  /** Another check that the step makes. */
  also?: CheckName
  run (trial: Trial): Promise<Finding[]>
}

const steps: Step[] = [
  {
    check: 'storage-inserts',
    run: async ({ store, first, second }) => {
      if (!await store.put(first, undefined)) return [wrong('storage-inserts', 'The store does not insert a record where there is none.')]
      if (await store.put(second, undefined)) return [wrong('storage-inserts', 'The store inserts a record over another: two servers that connect a merchant at once overwrite each other.')]
      return [ok('storage-inserts', 'A record is inserted only where there is none.')]
    }
  },
  {
    check: 'storage-reads',
    run: async trial => [await staleRead(trial, 'storage-reads', trial.first) ?? ok('storage-reads', 'Each read shows the last write.')]
  },
  {
    check: 'storage-updates',
    run: async trial => {
      const { store, make, clock, first, second } = trial
      const another = make.returned(first, make.id(), clock.now())
      const overwrites = 'The store writes over a revision that is not the expected one: two servers would refresh with one token, which ends both pairs.'
      if (await store.put(another, another.revision)) return [wrong('storage-updates', overwrites)]
      if (!await store.put(second, first.revision)) return [wrong('storage-updates', 'The store does not write over the revision that is stored.')]
      if (await store.put(another, first.revision)) return [wrong('storage-updates', overwrites)]
      return [await staleRead(trial, 'storage-updates', second) ?? ok('storage-updates', 'A record is written only over the revision that is expected.')]
    }
  },
  {
    check: 'storage-lists',
    also: 'records',
    run: async trial => {
      if (!trial.store.canList) {
        const message = 'The storage adapter has no list.'
        return [found('storage-lists', 'not-checked', message), found('records', 'not-checked', message)]
      }
      const listing = await readAll(trial, trial.merchantId)
      if (listing.revisions.includes(trial.second.revision)) return [ok('storage-lists', 'A listing has the last write.'), judgeRecords(listing)]
      return [
        wrong('storage-lists', 'A listing lacks a record that was just written, or has an older one: keep-alive does not see each merchant.', primary),
        found('records', 'not-checked', 'Listings lack records.')
      ]
    }
  },
  {
    check: 'storage-deletes',
    run: async trial => {
      const { store, merchantId, first, second } = trial
      if (await store.delete(merchantId, first.revision)) return [wrong('storage-deletes', 'The store deletes a record whose revision is not the expected one: a merchant who comes back during a disconnect is lost.')]
      if (!await store.delete(merchantId, second.revision)) return [wrong('storage-deletes', 'The store does not delete a record by its revision.')]
      if (await store.delete(merchantId)) return [wrong('storage-deletes', 'The store deletes a record that is gone.')]
      return [await staleRead(trial, 'storage-deletes', undefined) ?? ok('storage-deletes', 'A record is deleted, and is gone then.')]
    }
  }
]

/**
 * @internal Whether the store keeps the contract, tried with a temporary record: it inserts once, reads its own writes, refuses another revision than the
 * stored one, lists and deletes. Whether each stored record can be used comes from the same listing, which reads all of them, page by page.
 *
 * The record is of a merchant who does not exist, with a made-up v1 token. It is never due, so no keep-alive refreshes it. It is removed at the end,
 * whatever happens; a listing of the host's may show it for a moment.
 */
export async function * storageFindings (context: StorageContext): AsyncGenerator<Finding, void, undefined> {
  // All at once: a caller may never take the next finding, and the record must not wait for that.
  yield * await tryStore(context)
}

async function tryStore (context: StorageContext): Promise<Finding[]> {
  const trial = makeTrial(context)
  const findings: Finding[] = []
  let isOver = false
  let left: Finding | undefined
  try {
    for (const step of steps) {
      context.throwIfStopped()
      const outcome: Finding[] = isOver ? notTried(step) : await step.run(trial).catch(failureOf(step))
      findings.push(...outcome)
      isOver ||= outcome.some(({ check, status }) => check === step.check && status === 'error')
    }
  } finally {
    left = await remove(trial)
  }
  return left === undefined ? findings : [...findings.filter(({ check }) => check !== left.check), left]
}

function makeTrial (context: StorageContext): Trial {
  const { app: { appId, environment }, make, clock, runtime } = context
  const merchantId = `DIAGNOSE${runtime.random(3).slice(0, 5).toUpperCase()}`
  const pair = { accessToken: `none-${make.id()}`, accessTokenExpiration: null, refreshToken: null, refreshTokenExpiration: null }
  const first = make.connected({ merchantId, appId, environment: environment.name, flow: 'v1' }, pair, make.id(), clock.now())
  return { ...context, merchantId, first, second: make.returned(first, make.id(), clock.now()) }
}

/** Removes the temporary record, if an end before its time has left it. Resolves with a finding if that fails. */
async function remove ({ store, merchantId }: Trial): Promise<Finding | undefined> {
  try {
    await store.delete(merchantId)
    return undefined
  } catch (error) {
    return found('storage-deletes', 'error', `The temporary record of merchant ${merchantId} may still be there: ${whyStorageFailed(error)}.`, `When the store works again: clover.disconnect('${merchantId}').`)
  }
}

/** The finding about a read that does not show the last write; undefined if each does. */
async function staleRead ({ store, merchantId }: Trial, check: CheckName, expected: Installation | undefined): Promise<Finding | undefined> {
  const records = await Promise.all(Array.from({ length: readsAtOnce }, () => store.find(merchantId)))
  if (records.every(record => expected === undefined ? record === undefined : holds(record, expected))) return undefined
  return wrong(check, 'A read after a write does not show what was written: it comes from a replica or a cache that lags behind, or the store changes what it keeps. A server would refresh with a token that is spent.', primary)
}

/** Whether a record has each field of another, all of which are plain values. Its store may have added some. */
function holds (record: object | undefined, expected: Installation): boolean {
  const fields = Object(record) as Record<string, unknown>
  return Object.entries(expected).every(([name, value]) => fields[name] === value)
}

function judgeRecords ({ count, unusable, numberOfUnusable }: Listing): Finding {
  if (numberOfUnusable === 0) return ok('records', `All records can be used: ${count}.`)
  const named = unusable.slice(0, mostNamed).map(({ merchantId = 'without an id', reason }) => `${merchantId}: ${reason}`)
  return found('records', 'error', `${numberOfUnusable} of ${count} records cannot be used. ${named.join(' ')}`,
    'If they do not open, give encryptedStorage the keys that sealed them. If they are another app\'s, give each app a table or a prefix of its own. The next authorization of a merchant replaces a damaged record.')
}

function wrong (check: CheckName, message: string, fix = contract): Finding {
  return found(check, 'error', message, fix)
}

function notTried ({ check, also = check }: Step): Finding[] {
  return [...new Set([check, also])].map(name => found(name, 'not-checked', 'Not tried, since an earlier check of the store failed.'))
}

/** The findings about a step in which the store itself failed. */
const failureOf = (step: Step) => (error: unknown): Finding[] => {
  if (!isCloverError(error)) throw error
  return [...notTried(step).slice(1), found(step.check, 'error', `The store does not work: ${whyStorageFailed(error)}.`, 'Check that the database runs, and that the adapter\'s user may read and write its table.')]
}
