import type { EncryptedStorage } from '../../src/storage/index.js'
import type { Fault, FaultKind } from '../../src/testing/index.js'
import { connect } from '../helpers/browser.js'
import { merchantA, merchantB } from '../helpers/host.js'
import { askAll, fold, join, must, type Flow } from './flow.js'
import { callAll } from './flows-api.js'
import { legacy, migrate } from './flows-jobs.js'
import { canary, type Broken, type Stage } from './stage.js'

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
async function live (stage: Stage): Promise<void> {
  await connect(stage.browser(), stage.clover, merchantA)
  await askAll(stage, merchantA)
  stage.time.pass(31 * 60_000)
  await stage.token(merchantA)
  await connect(stage.browser(), stage.clover, merchantA)
}

const cloverFails: Flow[] = (['v2', 'v1'] as const).flatMap(flow => [
  ...plainFaults.map(fault => [`${fault.kind}${'status' in fault ? ` ${fault.status}` : ''}${'when' in fault ? `, ${fault.when}` : ''}`, () => [fault]] as const),
  ['odd replies', oddReplies] as const
].map(([name, faults]): Flow => ({
  name: `Clover, ${flow}: ${name}`,
  stage: { options: { flow, callTimeout: name.startsWith('latency') ? 150 : 10_000 } },
  run: async stage => {
    for (const on of endpoints.filter(on => (on === 'token' || on === 'refresh' || on === 'recovery') === (flow === 'v2') || on === 'merchant')) {
      for (const fault of faults()) {
        stage.clover.clearFaults()
        if (fault.kind === 'latency') await connect(stage.browser(), stage.clover, merchantA)
        else await join(stage, merchantA)
        if (on === 'recovery') stage.clover.fault({ on: 'refresh', kind: 'status', status: 401, when: 'after' })
        stage.clover.fault({ on, times: 3, ...fault } as Fault)
        await live(stage)
        stage.time.pass(60_000)
      }
    }
  }
})))

const apiFails: Flow[] = [...plainFaults.map((fault): Flow => ({
  name: `Clover's API and the migration: ${fault.kind}${'status' in fault ? ` ${fault.status}` : ''}${'when' in fault ? `, ${fault.when}` : ''}`,
  stage: { hurries: true, options: { callTimeout: fault.kind === 'latency' ? 100 : 10_000 } },
  run: async stage => {
    await join(stage, merchantA)
    stage.clover.fault({ on: ['rest', 'pakms', 'migrate'], times: Infinity, ...fault } as Fault)
    await callAll(stage)
    await migrate(stage, [legacy(stage, merchantB)])
    stage.clover.clearFaults()
    stage.clover.fault({ on: ['token', 'merchant'], times: 3, ...fault } as Fault)
    await migrate(stage, [legacy(stage, merchantB)])
  }
})), {
  name: 'Clover\'s API and the migration: odd replies',
  stage: { hurries: true },
  run: async stage => {
    await join(stage, merchantA)
    for (const [fault, other] of [...oddReplies().entries()].map(([index, fault]) => [fault, oddReplies()[index]] as const)) {
      stage.clover.fault({ on: ['rest', 'pakms'], times: Infinity, ...fault } as Fault)
      await callAll(stage)
      stage.clover.clearFaults()
      for (const on of ['migrate', 'token'] as const) {
        stage.clover.fault({ on, times: 1, ...other } as Fault)
        await migrate(stage, [legacy(stage, merchantB)])
        stage.clover.clearFaults()
        await stage.try('disconnect()', async () => await stage.app.clover.disconnect(merchantB))
      }
    }
  }
}]

const network: Flow = {
  name: 'the network\'s errors quote the address and the body',
  stage: () => ({
    hurries: true,
    runtime: {
      fetch: async (input, init) => {
        const text = `${String(input)} ${String(init?.body)} ${JSON.stringify(init?.headers)}`
        throw Object.assign(new TypeError(`fetch failed: ${text}`, { cause: Object.assign(new Error(`connect ECONNREFUSED ${text}`), { code: text, errno: -1, request: init }) }), { request: init })
      }
    }
  }),
  run: async (stage, another) => {
    await connect(stage.browser(), stage.clover, merchantA)
    const v1 = await another({ beside: stage, options: { flow: 'v1' } })
    await connect(v1.browser(), v1.clover, merchantA)
    const well = await another({ beside: stage, runtime: { fetch } })
    await connect(well.browser(), well.clover, merchantA)
    await askAll(stage, merchantA)
    await callAll(stage)
    await migrate(stage, [legacy(stage, merchantB)])
    await fold(stage, v1, well)
  }
}

const storeFails: Flow[] = (['get', 'put', 'delete', 'list', 'all'] satisfies Broken[]).map(broken => ({
  name: `the store fails in ${broken} and quotes the record`,
  run: async stage => {
    await join(stage, merchantA)
    stage.broken = broken
    await askAll(stage, merchantA)
    await callAll(stage)
    stage.time.pass(31 * 60_000)
    await askAll(stage, merchantA)
    await connect(stage.browser(), stage.clover, merchantA)
    await connect(stage.browser(), stage.clover, merchantB)
    await stage.inject({ method: 'POST', url: '/clover/refresh', payload: { merchant_id: merchantA } })
    await stage.try('disconnect()', async () => await stage.app.clover.disconnect(merchantA))
    stage.broken = 'none'
    stage.time.pass(120_000)
    await askAll(stage, merchantA)
  }
}))

const records: Flow = {
  name: 'records of another app, of another form, and under another key',
  run: async stage => {
    await join(stage, merchantA)
    const record = await stage.inner.get(merchantA)
    if (!record) throw new Error('not connected')
    for (const change of [{ appId: 'OTHERAPP00001' }, { accessToken: '' }, { accessToken: `${record.accessToken}\n${canary('access token')}` }, { refreshToken: 7 }, { sealed: 'another' }, { accessTokenExpiration: record.accessToken }]) {
      stage.storage.get = async () => ({ ...record, ...change }) as typeof record
      stage.storage.list = async () => ({ items: [{ ...record, ...change } as typeof record] })
      stage.time.pass(60_000) // what is cached is out of date
      await callAll(stage)
      await askAll(stage, merchantA)
      await connect(stage.browser(), stage.clover, merchantA)
      await stage.try('disconnect()', async () => await stage.app.clover.disconnect(merchantA))
    }
  }
}

const moved: Flow = {
  name: 'values of a record are moved where they do not belong, then sealed anew',
  run: async stage => {
    await join(stage, merchantA)
    const record = await stage.raw.get(merchantA)
    if (!record) throw new Error('not connected')
    await stage.raw.put({ ...record, accessToken: record.refreshToken ?? '' }, record.revision)
    stage.time.pass(60_000)
    await askAll(stage, merchantA)
    await stage.try('reseal()', async () => await (stage.inner as Partial<EncryptedStorage>).reseal?.())
    await connect(stage.browser(), stage.clover, merchantA)
    await stage.try('disconnect()', async () => await stage.app.clover.disconnect(merchantA))
  }
}

/** From now on the intent to refresh is stored, and the new pair is not. */
function breakAfterIntent (stage: Stage): void {
  const { put } = stage.storage
  let puts = 0
  stage.storage.put = async (next, expected) => {
    if (++puts === 2) stage.broken = 'put'
    return await put(next, expected)
  }
}

async function until (stage: Stage, event: string): Promise<void> {
  for (let round = 0; round < 200 && !stage.logs.join('').includes(`"${event}"`); round++) await new Promise(resolve => setTimeout(resolve, 5))
  must(stage.logs.join('').includes(`"${event}"`), event)
}

const held: Flow[] = (['pair-written', 'pair-dropped'] as const).map(event => ({
  name: `a pair that cannot be stored is held: ${event}`,
  run: async stage => {
    await join(stage, merchantA)
    breakAfterIntent(stage)
    await stage.try('refresh()', async () => await stage.app.clover.refresh(merchantA))
    await until(stage, 'pair-held')
    await askAll(stage, merchantA)
    if (event === 'pair-dropped') await stage.inner.delete(merchantA)
    stage.broken = 'none'
    await until(stage, event)
    await askAll(stage, merchantA)
  }
}))

const closing: Flow[] = [
  {
    name: 'closing with a pair that cannot be stored',
    run: async stage => {
      await join(stage, merchantA)
      breakAfterIntent(stage)
      await stage.try('refresh()', async () => await stage.app.clover.refresh(merchantA))
      await stage.token(merchantA)
      await stage.app.close()
      await stage.token(merchantA)
      await stage.try('installation()', async () => await stage.app.clover.installation(merchantA))
      await until(stage, 'pair-abandoned')
    }
  },
  {
    name: 'closing with a refresh under way',
    run: async stage => {
      await join(stage, merchantA)
      stage.clover.fault({ on: 'refresh', kind: 'latency', ms: 50 })
      const refresh = stage.try('refresh()', async () => await stage.app.clover.refresh(merchantA))
      await new Promise(resolve => setTimeout(resolve, 10))
      await stage.app.close()
      await refresh
    }
  }
]

/** Faults of the store, of the network, and of the end. */
export const ownFaults: Flow[] = [network, ...storeFails, records, moved, ...held, ...closing]

/** Faults of Clover. */
export const cloverFaults: Flow[] = [...cloverFails, ...apiFails]
