import { lowTrust, merchantA, merchantB } from '../helpers/host.js'
import type { LegacyToken, MigrationOutcome } from '../../src/index.js'
import { fold, join, must, type Flow } from './flow.js'
import { canary, type Stage, type StageOptions } from './stage.js'

const merchantC = 'MERCHANT0000C'
const hurries: StageOptions = { hurries: true }

/** Moves merchants; outcomes and progress are searched. */
export async function migrate (stage: Stage, items: unknown[]): Promise<MigrationOutcome[]> {
  const outcomes: MigrationOutcome[] = []
  await stage.try('migrateLegacy()', async () => {
    const onProgress = (progress: unknown) => { stage.sawObject('the progress of migrateLegacy()', progress) }
    for await (const outcome of stage.app.clover.migrateLegacy(items as LegacyToken[], { rate: 1000, onProgress })) outcomes.push(outcome)
    return outcomes
  })
  return outcomes
}

/** A merchant with a legacy token. */
export const legacy = (stage: Stage, merchantId = merchantA, appId?: string) => ({ merchantId, legacyToken: stage.clover.legacyToken({ merchantId, ...(appId !== undefined && { appId }) }) })
const count = (outcomes: MigrationOutcome[], outcome: MigrationOutcome['outcome']) => outcomes.filter(one => one.outcome === outcome).length

/** A pass; its summary and its progress are searched. */
export async function pass (stage: Stage): Promise<Record<string, number | boolean>> {
  const onProgress = (progress: unknown) => { stage.sawObject('the progress of keepAlive()', progress) }
  return await stage.try('keepAlive()', async () => await stage.app.clover.keepAlive({ rate: 1000, onProgress })) ?? {}
}

/** Long work. */
export const jobs: Flow[] = [
  ...([['high', {}], ['low', { appId: lowTrust }]] as const).map(([trust, options]): Flow => ({
    name: `migrateLegacy, ${trust} trust: good merchants, those who have a pair, refused and malformed items`,
    stage: { ...hurries, ...options },
    run: async stage => {
      const own = (merchantId: string) => legacy(stage, merchantId, trust === 'low' ? lowTrust : undefined)
      must(count(await migrate(stage, [own(merchantA), own(merchantB)]), 'migrated') === 2, 'two merchants are moved')
      must(count(await migrate(stage, [own(merchantA)]), 'already-connected') === 1, 'one is left alone')
      const token = () => canary('access token')
      const refused = [{ merchantId: merchantC, legacyToken: token() }, { merchantId: token(), legacyToken: token() }, { merchantId: merchantC, legacyToken: `${token()}\n` }, { merchantId: merchantC, legacyToken: [token()] }, { [token()]: token() }, token(), [token()]]
      must(count(await migrate(stage, refused), 'refused') === refused.length, 'the others are refused')
      await stage.token(merchantA)
      await stage.try('refresh()', async () => await stage.app.clover.refresh(merchantB))
    }
  })),
  {
    name: 'migrateLegacy: what is not an iterable, wrong options, a source that throws a token',
    stage: hurries,
    run: async stage => {
      const token = canary('access token')
      for (const [source, options] of [[token, {}], [{ [token]: token }, {}], [[], { rate: token }], [[], { pace: canary() }], [[], { signal: token }]] as const) await stage.try('migrateLegacy()', async () => stage.app.clover.migrateLegacy(source as never, options as never))
      await stage.try('migrateLegacy()', async () => {
        const throwing = (function * () { yield legacy(stage); throw new Error('the host\'s own') })()
        for await (const outcome of stage.app.clover.migrateLegacy(throwing)) stage.sawObject('an outcome', outcome)
      })
    }
  },
  {
    name: 'migrateLegacy: the token that is stored, and a store that fails in get and in put and quotes the record',
    stage: hurries,
    run: async (stage, another) => {
      const v1 = await another({ beside: stage, options: { flow: 'v1' } })
      await join(v1, merchantA)
      stage.broken = 'put'
      const outcomes = await migrate(stage, [{ merchantId: merchantA }])
      must(count(outcomes, 'failed') === 1, 'the pair cannot be stored')
      stage.broken = 'get'
      await migrate(stage, [legacy(stage, merchantA), legacy(stage, merchantB), legacy(stage, merchantC)])
      stage.broken = 'none'
      must(count(await migrate(stage, [{ merchantId: merchantC }, legacy(stage, merchantB)]), 'migrated') === 1, 'another is moved')
      await fold(stage, v1)
    }
  },
  {
    name: 'keepAlive: nobody due, some due, an expired lease, a mark, an uninstalled merchant, a record that does not open',
    stage: hurries,
    run: async stage => {
      const day = 86_400_000
      const all = [merchantA, merchantB, merchantC, 'MERCHANT0000D', 'MERCHANT0000E']
      for (const merchantId of all) await join(stage, merchantId)
      must((await pass(stage)).due === 0, 'nobody is due')
      stage.time.pass(340 * day)
      const record = async (merchantId: string) => {
        const stored = await stage.inner.get(merchantId)
        if (!stored) throw new Error('not connected')
        return stored
      }
      const now = Math.floor(stage.time.now() / 1000) - 86_400 // the plugin's clock may be late by what an answer took
      const leased = await record(merchantA)
      await stage.inner.put({ ...leased, refreshLease: { by: canary(), until: now - 1 }, dueAt: now - 1 }, leased.revision)
      const marked = await record(merchantB)
      await stage.inner.put({ ...marked, reauthorizationRequired: { since: now - 100, retryAt: now - 1 }, dueAt: now - 1 }, marked.revision)
      stage.clover.uninstall(merchantC)
      const moved = await stage.raw.get('MERCHANT0000E')
      if (!moved) throw new Error('not connected')
      await stage.raw.put({ ...moved, accessToken: moved.refreshToken ?? '', appId: 'OTHERAPP00001' }, moved.revision)
      const summary = await pass(stage)
      // How each ends depends on how fast the machine is, since time hurries.
      must(summary.due === 4 && summary.unusable === 1, JSON.stringify(summary))
      await stage.try('keepAlive()', async () => await stage.app.clover.keepAlive({ rate: canary() } as never))
    }
  },
  {
    name: 'keepAlive: Clover and the store fail, once and again and again',
    stage: { hurries: true, options: { callTimeout: 150 } },
    run: async (stage, another) => {
      await join(stage, merchantA)
      for (const fault of [{ kind: 'drop-after' }, { kind: 'status', status: 500 }, { kind: 'reply', body: { refresh_token: canary('refresh token'), access_token: [canary('access token')] } }] as const) {
        stage.time.pass(345 * 86_400_000)
        stage.clover.fault({ on: ['refresh', 'recovery'], times: 9, ...fault })
        await pass(stage)
        stage.clover.clearFaults()
        await pass(stage)
        await join(stage, merchantA)
      }
      for (const broken of ['list', 'get', 'put'] as const) {
        stage.time.pass(345 * 86_400_000)
        stage.broken = broken
        await pass(stage)
        const server = await another({ ...hurries, beside: stage, options: { callTimeout: 150, keepAlive: { every: 1 } } })
        server.broken = broken
        await new Promise(resolve => setTimeout(resolve, 20))
        await fold(stage, server)
        stage.broken = 'none'
      }
    }
  }
]
