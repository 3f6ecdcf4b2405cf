import type { EncryptedStorage } from '../../src/storage/index.js'
import type { Fault, FaultKind } from '../../src/testing/index.js'
import { connect } from '../harness/browser.js'
import { merchantA, merchantB } from '../harness/host.js'
import { isLong } from '../harness/share.js'
import { askAll, fold, join, joinAtLast, must, type Flow } from './flow.js'
import { callAll } from './flows-api.js'
import { legacy, migrate } from './flows-jobs.js'
import { canary, type Broken, type Variant, type WatchedHost } from './watched-host.js'

const endpoints = ['token', 'merchant', 'refresh', 'recovery', 'legacyToken'] as const

/** Replies with secrets in all the odd places of a reply that is no reply. */
function oddReplies (): FaultKind[] {
  const reply = (body: object | string, more: { status?: number, contentType?: string, headers?: Record<string, string> } = {}): FaultKind => ({ kind: 'reply', body, ...more })
  const token = () => canary('access token')
  const genuine = (change: (pair: Record<string, unknown>) => object): FaultKind => ({ kind: 'reply', body: pair => change(pair as Record<string, unknown>) })
  return [
    reply({ access_token: { nested: token() }, refresh_token: [token()] }),
    reply({ [token()]: token() }),
    reply([token(), { access_token: token() }]),
    reply(JSON.stringify(token())),
    reply(`{"access_token":"${token()}`),
    reply(`<html><body>${token()}</body></html>`, { contentType: 'text/html' }),
    reply(`access_token=${token()}&refresh_token=${token()}`, { contentType: 'application/x-www-form-urlencoded' }),
    reply({ message: `Invalid refresh token ${token()}`, access_token: token() }, { status: 401 }),
    reply({ message: token() }, { status: 400, headers: { 'x-clover-recovery-available': token(), 'www-authenticate': `Bearer error="${token()}"` } }),
    reply({ message: token() }, { status: 500, headers: { 'retry-after': token(), 'x-request-id': token() } }),
    reply({ id: token() }, { contentType: `application/json; charset=${token()}`, headers: { etag: token() } }),
    reply('', { status: 302, headers: { location: `https://evil.example/?access_token=${token()}` } }),
    genuine(pair => ({ ...pair, access_token: `${token()}\n${token()}` })),
    genuine(pair => ({ ...pair, access_token_expiration: token(), extra: token() })),
    genuine(pair => ({ ...pair, refresh_token: undefined, token: pair.refresh_token })),
    genuine(pair => ({ refresh_token: pair.refresh_token, access_token: 7 })),
    genuine(pair => ({ ...pair, refresh_token: `${token()} ${String(pair.refresh_token)}` })),
    genuine(pair => ({ ...pair, id: token() }))
  ]
}

const plainFaults: FaultKind[] = [
  { kind: 'latency', ms: Infinity }, { kind: 'status', status: 500 }, { kind: 'status', status: 429, headers: { 'retry-after': '1' } }, { kind: 'status', status: 401 }, { kind: 'status', status: 401, when: 'after' },
  { kind: 'drop-before' }, { kind: 'drop-after' }, { kind: 'drop-during' }
]

/** A merchant comes, is served and comes back while Clover answers as the fault says. */
async function live (host: WatchedHost): Promise<void> {
  await connect(host.browser(), host.clover, merchantA)
  await askAll(host, merchantA)
  host.time.pass(31 * 60_000)
  await host.token(merchantA)
  await connect(host.browser(), host.clover, merchantA)
}

/**
 * Whether a host has an odd reply at an endpoint. In the full share those that log all they can have each reply at each endpoint, and ordinary ones half
 * of them. In the short share each reply comes at an endpoint of either kind of host, and each endpoint of either answers with several of the replies.
 */
const hasReply = ({ verbose }: Variant, reply: number, endpoint: number) => isLong ? verbose || (reply + endpoint) % 2 === 0 : (reply + endpoint) % 4 === (verbose ? 2 : 0)

/** Whether a host has a fault. In the short share ordinary hosts have every second one, and those that log all they can have the others. */
const hasFault = ({ verbose }: Variant, fault: number) => isLong || fault % 2 === Number(verbose)

const isOdd = (flow: Flow) => flow.name.endsWith(': odd replies')

const cloverFails = (variant: Variant): Flow[] => (['v2', 'v1'] as const).flatMap(flow => [
  ...plainFaults.map(fault => [`${fault.kind}${'status' in fault ? ` ${fault.status}` : ''}${'when' in fault ? `, ${fault.when}` : ''}`, () => [fault]] as const),
  ['odd replies', oddReplies] as const
].map(([name, faults]): Flow => ({
  name: `Clover, ${flow}: ${name}`,
  host: { options: { flow, callTimeout: name.startsWith('latency') ? 150 : 10_000 } },
  run: async host => {
    const own = endpoints.filter(on => (on === 'token' || on === 'refresh' || on === 'recovery') === (flow === 'v2') || on === 'merchant')
    for (const [endpoint, on] of own.entries()) {
      for (const [index, fault] of faults().entries()) {
        if (faults === oddReplies && !hasReply(variant, index, endpoint)) continue
        host.clover.clearFaults()
        if (fault.kind === 'latency') await connect(host.browser(), host.clover, merchantA)
        else await join(host, merchantA)
        if (on === 'recovery') host.clover.fault({ on: 'refresh', kind: 'status', status: 401, when: 'after' })
        host.clover.fault({ on, times: 3, ...fault } as Fault)
        await live(host)
        host.time.pass(60_000)
      }
    }
  }
})))

const apiFails = (variant: Variant): Flow[] => [...plainFaults.map((fault): Flow => ({
  name: `Clover's API and the migration: ${fault.kind}${'status' in fault ? ` ${fault.status}` : ''}${'when' in fault ? `, ${fault.when}` : ''}`,
  host: { hurries: true, options: { callTimeout: fault.kind === 'latency' ? 100 : 10_000 } },
  run: async host => {
    await joinAtLast(host, merchantA)
    host.clover.fault({ on: ['rest', 'pakms', 'migrate'], times: Infinity, ...fault } as Fault)
    await callAll(host)
    await migrate(host, [legacy(host, merchantB)])
    host.clover.clearFaults()
    host.clover.fault({ on: ['token', 'merchant'], times: 3, ...fault } as Fault)
    await migrate(host, [legacy(host, merchantB)])
  }
})), {
  name: 'Clover\'s API and the migration: odd replies',
  host: { hurries: true },
  run: async host => {
    await join(host, merchantA)
    const others = oddReplies()
    for (const [index, fault] of oddReplies().entries()) {
      if (!hasFault(variant, index)) continue
      host.clover.fault({ on: ['rest', 'pakms'], times: Infinity, ...fault } as Fault)
      await callAll(host)
      host.clover.clearFaults()
      for (const on of ['migrate', 'token'] as const) {
        host.clover.fault({ on, times: 9, ...others[index] } as Fault) // more often than it asks
        await migrate(host, [legacy(host, merchantB)])
        host.clover.clearFaults()
        await host.try('disconnect()', async () => await host.app.clover.disconnect(merchantB))
      }
    }
  }
}]

const network: Flow = {
  name: 'the network\'s errors quote the address and the body',
  host: () => ({
    hurries: true,
    runtime: {
      fetch: async (input, init) => {
        const text = `${String(input)} ${String(init?.body)} ${JSON.stringify(init?.headers)}`
        throw Object.assign(new TypeError(`fetch failed: ${text}`, { cause: Object.assign(new Error(`connect ECONNREFUSED ${text}`), { code: text, errno: -1, request: init }) }), { request: init })
      }
    }
  }),
  run: async (host, another) => {
    await connect(host.browser(), host.clover, merchantA)
    const v1 = await another({ beside: host, options: { flow: 'v1' } })
    await connect(v1.browser(), v1.clover, merchantA)
    const well = await another({ beside: host, runtime: { fetch } })
    await connect(well.browser(), well.clover, merchantA)
    await askAll(host, merchantA)
    await callAll(host)
    await migrate(host, [legacy(host, merchantB)])
    await fold(host, v1, well)
  }
}

const storeFails: Flow[] = (['get', 'put', 'delete', 'list', 'all'] satisfies Broken[]).map(broken => ({
  name: `the store fails in ${broken} and quotes the record`,
  run: async host => {
    await join(host, merchantA)
    host.broken = broken
    await askAll(host, merchantA)
    await callAll(host)
    host.time.pass(31 * 60_000)
    await askAll(host, merchantA)
    await connect(host.browser(), host.clover, merchantA)
    await connect(host.browser(), host.clover, merchantB)
    await host.inject({ method: 'POST', url: '/clover/refresh', payload: { merchant_id: merchantA } })
    await host.try('disconnect()', async () => await host.app.clover.disconnect(merchantA))
    host.broken = 'none'
    host.time.pass(120_000)
    await askAll(host, merchantA)
  }
}))

const records: Flow = {
  name: 'records of another app, of another form, and under another key',
  run: async host => {
    await join(host, merchantA)
    const record = await host.inner.get(merchantA)
    if (!record) throw new Error('not connected')
    for (const change of [{ appId: 'OTHERAPP00001' }, { accessToken: '' }, { accessToken: `${record.accessToken}\n${canary('access token')}` }, { refreshToken: 7 }, { sealed: 'another' }, { accessTokenExpiration: record.accessToken }]) {
      host.storage.get = async () => ({ ...record, ...change }) as typeof record
      host.storage.list = async () => ({ items: [{ ...record, ...change } as typeof record] })
      host.time.pass(60_000) // what is cached is out of date
      await callAll(host)
      await askAll(host, merchantA)
      await connect(host.browser(), host.clover, merchantA)
      await host.try('disconnect()', async () => await host.app.clover.disconnect(merchantA))
    }
  }
}

const moved: Flow = {
  name: 'values of a record are moved where they do not belong, then sealed anew',
  run: async host => {
    await join(host, merchantA)
    const record = await host.raw.get(merchantA)
    if (!record) throw new Error('not connected')
    await host.raw.put({ ...record, accessToken: record.refreshToken ?? '' }, record.revision)
    host.time.pass(60_000)
    await askAll(host, merchantA)
    await host.try('reseal()', async () => await (host.inner as Partial<EncryptedStorage>).reseal?.())
    await connect(host.browser(), host.clover, merchantA)
    await host.try('disconnect()', async () => await host.app.clover.disconnect(merchantA))
  }
}

/** From now on the intent to refresh is stored, and the new pair is not. */
function breakAfterIntent (host: WatchedHost): void {
  const { put } = host.storage
  let puts = 0
  host.storage.put = async (next, expected) => {
    if (++puts === 2) host.broken = 'put'
    return await put(next, expected)
  }
}

async function until (host: WatchedHost, event: string): Promise<void> {
  for (let round = 0; round < 200 && !host.logs.join('').includes(`"${event}"`); round++) await new Promise(resolve => setTimeout(resolve, 5))
  must(host.logs.join('').includes(`"${event}"`), event)
}

const held: Flow[] = (['pair-written', 'pair-dropped'] as const).map(event => ({
  name: `a pair that cannot be stored is held: ${event}`,
  run: async host => {
    await join(host, merchantA)
    breakAfterIntent(host)
    await host.try('refresh()', async () => await host.app.clover.refresh(merchantA))
    await until(host, 'pair-held')
    await askAll(host, merchantA)
    if (event === 'pair-dropped') await host.inner.delete(merchantA)
    host.broken = 'none'
    await until(host, event)
    await askAll(host, merchantA)
  }
}))

const closing: Flow[] = [
  {
    name: 'closing with a pair that cannot be stored',
    run: async host => {
      await join(host, merchantA)
      breakAfterIntent(host)
      await host.try('refresh()', async () => await host.app.clover.refresh(merchantA))
      await host.token(merchantA)
      await host.app.close()
      await host.token(merchantA)
      await host.try('installation()', async () => await host.app.clover.installation(merchantA))
      await until(host, 'pair-abandoned')
    }
  },
  {
    name: 'closing with a refresh in progress',
    run: async host => {
      await join(host, merchantA)
      host.clover.fault({ on: 'refresh', kind: 'latency', ms: 50 })
      const refresh = host.try('refresh()', async () => await host.app.clover.refresh(merchantA))
      await new Promise(resolve => setTimeout(resolve, 10))
      await host.app.close()
      await refresh
    }
  }
]

/** Faults of the store, of the network, and of the end. */
export const ownFaults: Flow[] = [network, ...storeFails, records, moved, ...held, ...closing]

/** Faults of Clover. */
export const cloverFaultsOf = (variant: Variant): Flow[] => [...cloverFails(variant), ...apiFails(variant)].filter((flow, index) => isOdd(flow) || hasFault(variant, index))
