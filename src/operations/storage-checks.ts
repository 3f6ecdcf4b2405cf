import { isCloverError } from '../errors.js'
import type { Installation } from '../installation.js'
import type { CheckName } from './checks.js'
import type { DiagnosisContext } from './context.js'
import { found, ok, type Finding } from './finding.js'
import { readAll, temporaryToken, type Listing } from './listing.js'
import { whyStorageFailed } from './storage-failure.js'

/** @internal What the checks of the store get. */
export type StorageContext = Pick<DiagnosisContext, 'app' | 'options' | 'store' | 'make' | 'clock' | 'runtime' | 'throwIfStopped'>

/** Reads at once, so that they take several connections of a pool, some of which may lead to a replica. */
const readsAtOnce = 4

const contract = 'Run the conformance cases against the adapter: storageConformance of fastify-clover/testing.'
const primary = 'Give the adapter a connection to the primary only, without a cache or a replica in between.'

/** A temporary record, and later versions of it: the second replaces the first, and the third must replace nothing. */
interface Trial extends StorageContext {
  merchantId: string
  first: Installation
  second: Installation
  third: Installation
}

/** A step of the trial. Resolves with its findings; one that is an error of the step's own check ends the trial, since what follows would prove nothing. */
interface Step {
  check: CheckName
  /** Another check that the step makes. */
  also?: CheckName
  /** It writes: after a failure the write may still be done later. */
  writes?: boolean
  run (trial: Trial): Promise<Finding[]>
}

const steps: Step[] = [
  {
    check: 'storage-inserts',
    writes: true,
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
    writes: true,
    run: async trial => {
      const { store, first, second, third } = trial
      const overwrites = 'The store writes over a revision that is not the expected one: two servers would refresh with one token, and the second would end the pair of the first.'
      if (await store.put(third, third.revision)) return [wrong('storage-updates', overwrites)]
      if (!await store.put(second, first.revision)) return [wrong('storage-updates', 'The store does not write over the revision that is stored.')]
      if (await store.put(third, first.revision)) return [wrong('storage-updates', overwrites)]
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
      if (listing.revisions.includes(trial.second.revision)) return [ok('storage-lists', 'A listing has the last write.'), judgeRecords(listing, trial.options.deployment?.name)]
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
  const [insert, ...others] = steps as [Step, ...Step[]]
  const trial = await makeTrial(context).catch(failureOf(insert))
  if (Array.isArray(trial)) return [...trial, ...others.flatMap(notTried)]
  const findings: Finding[] = []
  let isOver = false
  let isUncertain = false
  let left: Finding | undefined
  try {
    for (const step of steps) {
      context.throwIfStopped()
      const outcome: Finding[] = isOver
        ? notTried(step)
        : await step.run(trial).catch((error: unknown) => {
          isUncertain ||= step.writes === true
          return failureOf(step)(error)
        })
      findings.push(...outcome)
      isOver ||= outcome.some(({ check, status }) => check === step.check && status === 'error')
    }
  } finally {
    left = await remove(trial, isUncertain)
  }
  return left === undefined ? findings : [...findings.filter(({ check }) => check !== left.check), left]
}

async function makeTrial (context: StorageContext): Promise<Trial> {
  const { app: { appId, environment }, store, make, clock, runtime } = context
  let merchantId: string
  // A diagnosis at the same moment, or one that was killed, may have chosen the same id.
  do merchantId = `DIAGNOSE${runtime.random(3).slice(0, 5).toUpperCase()}`
  while (await store.find(merchantId) !== undefined)
  const pair = { accessToken: `${temporaryToken}${make.id()}`, accessTokenExpiration: null, refreshToken: null, refreshTokenExpiration: null }
  const first = make.connected({ merchantId, appId, environment: environment.name, flow: 'v1' }, pair, make.id(), clock.now())
  const changed = () => make.returned(first, make.id(), clock.now())
  return { ...context, merchantId, first, second: changed(), third: changed() }
}

/** Removes the temporary record, if an end before its time has left it, and no other. Resolves with a finding if it may still be there. */
async function remove ({ store, merchantId, first, second, third }: Trial, isUncertain: boolean): Promise<Finding | undefined> {
  let reason = 'a write that failed may still be done'
  try {
    const revisions = [first, second, third].map(({ revision }) => revision)
    for (const revision of revisions) await store.delete(merchantId, revision)
    const left = await store.find(merchantId)
    if (left?.revision !== undefined && revisions.includes(left.revision)) await store.delete(merchantId) // it deletes by no revision
    if (!isUncertain) return undefined
  } catch (error) {
    reason = whyStorageFailed(error)
  }
  return found('storage-deletes', 'error', `The temporary record of merchant ${merchantId} may still be there: ${reason}.`, `When the store works again: clover.disconnect('${merchantId}').`)
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

function judgeRecords ({ count, unbound, unusable, numberOfUnusable }: Listing, deployment: string | undefined): Finding {
  if (numberOfUnusable > 0) {
    const reasons = [...unusable].map(([reason, { number, example }]) => `${number === 1 ? `That of ${example}` : `${number}, such as that of ${example}`}: ${reason}`)
    return found('records', 'error', `${numberOfUnusable} of ${count} records cannot be used. ${reasons.join(' ')}`,
      'If they do not open, give encryptedStorage the keys that sealed them. If they are another app\'s or another deployment\'s, give each a table or a prefix of its own. The next authorization of a merchant replaces a damaged record.')
  }
  if (deployment === undefined || unbound === 0) return ok('records', `All records can be used: ${count}.`)
  return found('records', 'warning', `${unbound} of ${count} records are not bound to the deployment ${deployment} yet: a copy of the store would be served.`,
    'Each is bound at its next write. To bind all now, refresh each merchant once: see the guide to storage.')
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
