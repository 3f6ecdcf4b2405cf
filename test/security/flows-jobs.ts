import { lowTrust, merchantA, merchantB } from '../harness/host.js'
import type { LegacyToken, MigrationOutcome } from '../../src/index.js'
import { fold, join, must, type Flow } from './flow.js'
import { canary, type WatchedHost, type WatchedHostOptions } from './watched-host.js'

const merchantC = 'MERCHANT0000C'
const hurries: WatchedHostOptions = { hurries: true }

/** Moves merchants; outcomes and progress are searched. */
export async function migrate (host: WatchedHost, items: unknown[]): Promise<MigrationOutcome[]> {
  const outcomes: MigrationOutcome[] = []
  await host.try('migrateLegacy()', async () => {
    const onProgress = (progress: unknown) => { host.sawObject('the progress of migrateLegacy()', progress) }
    for await (const outcome of host.app.clover.migrateLegacy(items as LegacyToken[], { rate: 1000, onProgress })) outcomes.push(outcome)
    return outcomes
  })
  return outcomes
}

/** A merchant with a legacy token. */
export const legacy = (host: WatchedHost, merchantId = merchantA, appId?: string) => ({ merchantId, legacyToken: host.clover.legacyToken({ merchantId, ...(appId !== undefined && { appId }) }) })
const count = (outcomes: MigrationOutcome[], outcome: MigrationOutcome['outcome']) => outcomes.filter(one => one.outcome === outcome).length

/** A pass; its summary and its progress are searched. */
export async function pass (host: WatchedHost): Promise<Record<string, number | boolean>> {
  const onProgress = (progress: unknown) => { host.sawObject('the progress of keepAlive()', progress) }
  return await host.try('keepAlive()', async () => await host.app.clover.keepAlive({ rate: 1000, onProgress })) ?? {}
}

/** Long work. */
export const jobs: Flow[] = [
  ...([['high', {}], ['low', { appId: lowTrust }]] as const).map(([trust, options]): Flow => ({
    name: `migrateLegacy, ${trust} trust: good merchants, those who have a pair, refused and malformed items`,
    host: { ...hurries, ...options },
    run: async host => {
      const own = (merchantId: string) => legacy(host, merchantId, trust === 'low' ? lowTrust : undefined)
      must(count(await migrate(host, [own(merchantA), own(merchantB)]), 'migrated') === 2, 'two merchants are moved')
      must(count(await migrate(host, [own(merchantA)]), 'already-connected') === 1, 'one is left alone')
      const token = () => canary('access token')
      const refused = [{ merchantId: merchantC, legacyToken: token() }, { merchantId: token(), legacyToken: token() }, { merchantId: merchantC, legacyToken: `${token()}\n` }, { merchantId: merchantC, legacyToken: [token()] }, { [token()]: token() }, token(), [token()]]
      must(count(await migrate(host, refused), 'refused') === refused.length, 'the others are refused')
      await host.token(merchantA)
      await host.try('refresh()', async () => await host.app.clover.refresh(merchantB))
    }
  })),
  {
    name: 'migrateLegacy: what is not an iterable, wrong options, a source that throws a token',
    host: hurries,
    run: async host => {
      const token = canary('access token')
      for (const [source, options] of [[token, {}], [{ [token]: token }, {}], [[], { rate: token }], [[], { pace: canary() }], [[], { signal: token }]] as const) await host.try('migrateLegacy()', async () => host.app.clover.migrateLegacy(source as never, options as never))
      await host.try('migrateLegacy()', async () => {
        const throwing = (function * () { yield legacy(host); throw new Error('the host\'s own') })()
        for await (const outcome of host.app.clover.migrateLegacy(throwing)) host.sawObject('an outcome', outcome)
      })
    }
  },
  {
    name: 'migrateLegacy: the token that is stored, and a store that fails in get and in put and quotes the record',
    host: hurries,
    run: async (host, another) => {
      const v1 = await another({ beside: host, options: { flow: 'v1' } })
      await join(v1, merchantA)
      host.broken = 'put'
      const outcomes = await migrate(host, [{ merchantId: merchantA }])
      must(count(outcomes, 'failed') === 1, 'the pair cannot be stored')
      host.broken = 'get'
      await migrate(host, [legacy(host, merchantA), legacy(host, merchantB), legacy(host, merchantC)])
      host.broken = 'none'
      must(count(await migrate(host, [{ merchantId: merchantC }, legacy(host, merchantB)]), 'migrated') === 1, 'another is moved')
      await fold(host, v1)
    }
  },
  {
    name: 'keepAlive: nobody due, some due, an expired lease, a mark, an uninstalled merchant, a record that does not open',
    host: hurries,
    run: async host => {
      const day = 86_400_000
      const all = [merchantA, merchantB, merchantC, 'MERCHANT0000D', 'MERCHANT0000E']
      for (const merchantId of all) await join(host, merchantId)
      must((await pass(host)).due === 0, 'nobody is due')
      host.time.pass(340 * day)
      const record = async (merchantId: string) => {
        const stored = await host.inner.get(merchantId)
        if (!stored) throw new Error('not connected')
        return stored
      }
      const now = Math.floor(host.time.now() / 1000) - 86_400 // the plugin's clock may be late by what an answer took
      const leased = await record(merchantA)
      await host.inner.put({ ...leased, refreshLease: { by: canary(), until: now - 1 }, dueAt: now - 1 }, leased.revision)
      const marked = await record(merchantB)
      await host.inner.put({ ...marked, reauthorizationRequired: { since: now - 100, retryAt: now - 1 }, dueAt: now - 1 }, marked.revision)
      host.clover.uninstall(merchantC)
      const moved = await host.raw.get('MERCHANT0000E')
      if (!moved) throw new Error('not connected')
      await host.raw.put({ ...moved, accessToken: moved.refreshToken ?? '', appId: 'OTHERAPP00001' }, moved.revision)
      const summary = await pass(host)
      // How each ends depends on how fast the machine is, since time hurries.
      must(summary.due === 4 && summary.unusable === 1, JSON.stringify(summary))
      await host.try('keepAlive()', async () => await host.app.clover.keepAlive({ rate: canary() } as never))
    }
  },
  {
    name: 'keepAlive: Clover and the store fail, once and again and again',
    host: { hurries: true, options: { callTimeout: 10_000 } },
    run: async (host, another) => {
      await join(host, merchantA)
      for (const fault of [{ kind: 'drop-after' }, { kind: 'status', status: 500 }, { kind: 'reply', body: { refresh_token: canary('refresh token'), access_token: [canary('access token')] } }] as const) {
        host.time.pass(345 * 86_400_000)
        host.clover.fault({ on: ['refresh', 'recovery'], times: 9, ...fault })
        await pass(host)
        host.clover.clearFaults()
        await pass(host)
        await join(host, merchantA)
      }
      for (const broken of ['list', 'get', 'put'] as const) {
        host.time.pass(345 * 86_400_000)
        host.broken = broken
        await pass(host)
        const server = await another({ ...hurries, beside: host, options: { callTimeout: 10_000, keepAlive: { every: 1 } } })
        server.broken = broken
        await new Promise(resolve => setTimeout(resolve, 20))
        await fold(host, server)
        host.broken = 'none'
      }
    }
  }
]
