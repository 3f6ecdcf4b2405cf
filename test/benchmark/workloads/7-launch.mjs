import { randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import clover from '../../../dist/index.js'
import { kRuntime } from '../../../dist/plugin.js'
import { encryptedStorage, memoryStorage } from '../../../dist/storage/index.js'
import { startChild } from '../harness/child.mjs'
import { longToken, merchantOf, recordOf, startHost } from '../harness/host.mjs'
import { number, rateText, ratioText } from '../harness/report.mjs'
import { concurrent, interleave, ratio, repeated, spread } from '../harness/windows.mjs'

const seal = storage => encryptedStorage(storage, { keys: [{ id: 'benchmark', key: randomBytes(32).toString('base64') }] })

/** Launch and callback, as a browser makes them; and what sealing costs. */
export async function run ({ rounds, window }) {
  const simulator = await startChild('simulator-process.mjs')
  const plain = await shop(simulator.ready, memoryStorage())
  const sealed = await shop(simulator.ready, seal(memoryStorage()))
  try {
    const subjects = {
      'plain, one by one': repeated(() => roundTrip(simulator, plain)),
      'sealed, one by one': repeated(() => roundTrip(simulator, sealed)),
      'plain, 8 at once': concurrent(() => roundTrip(simulator, plain), 8)
    }
    const rates = await interleave(subjects, { rounds, window })
    Object.assign(plain.times, fresh())
    await subjects['plain, one by one'](window * 3)
    const { trips, ...times } = plain.times
    const share = milliseconds => [`${number(milliseconds / trips * 1000)} µs`, `${(100 * milliseconds / (times.launch + times.approve + times.callback)).toFixed(0)} %`]
    const sealing = await sealingCost({ rounds, window })
    return {
      title: 'Launch and callback, and what sealing costs',
      setup: [
        'A browser without a screen: `GET /clover/launch` with a merchant who is new, approval at the simulator (by a message, since no person is there to click), and `GET /clover/callback`, where the plugin exchanges the code, asks whose token it is, and stores it. Real HTTP on loopback; the simulator is in a process of its own, browser and server share one. Storage: memory.'
      ],
      tables: [
        { caption: 'Round trips a second', columns: ['', 'Round trips a second', 'Over plain, with its interval of 95 %'], rows: Object.keys(subjects).map(name => [name, rateText(spread(rates[name])), name === 'plain, one by one' ? '1' : ratioText(ratio(rates, name, 'plain, one by one'))]) },
        {
          caption: 'Where the time of one goes, one by one',
          columns: ['Part', 'Mean', 'Share'],
          rows: [
            ['launch, seen by the browser', ...share(times.launch)],
            ['approval: the message to the simulator and back', ...share(times.approve)],
            ['callback, seen by the browser', ...share(times.callback)],
            ['of it: exchange of the code at Clover', ...share(times.exchange)],
            ['of it: `GET /v3/merchants/{mId}` at Clover', ...share(times.merchant)],
            ['of it: the store', ...share(times.store)],
            ['of it: the rest (HTTP, cookies, state, checks)', ...share(times.callback - times.exchange - times.merchant - times.store)]
          ]
        },
        { caption: 'Sealing, call by call over memory', columns: ['', 'Plain, a second', 'Sealed, a second', 'Sealed over plain', 'Sealing costs'], rows: sealing }
      ],
      unfair: ['The simulator answers at once, and the real Clover in hundreds of milliseconds: there nearly all of the time is Clover\'s.', 'The browser\'s own work is in the numbers.']
    }
  } finally {
    await plain.app.close()
    await sealed.app.close()
    await simulator.close()
  }
}

const fresh = () => ({ trips: 0, launch: 0, approve: 0, callback: 0, exchange: 0, merchant: 0, store: 0 })

async function shop ({ environment, appId, appSecret }, storage) {
  const app = Fastify()
  const times = fresh()
  const timed = (name, call) => async (...args) => {
    const began = performance.now()
    try {
      return await call(...args)
    } finally {
      times[name] += performance.now() - began
    }
  }
  const baseUrl = await freeAddress()
  await app.register(clover, {
    environment,
    appId,
    appSecret,
    storage: Object.fromEntries(['get', 'put', 'delete'].map(name => [name, timed('store', (...args) => storage[name](...args))])),
    cookieSecret: 'the cookie secret of the benchmark, 32',
    baseUrl,
    routes: { refresh: false },
    [kRuntime]: { fetch: (url, options) => timed(String(url).includes('/v3/') ? 'merchant' : 'exchange', fetch)(url, options) }
  })
  await app.listen({ host: 'localhost', port: Number(new URL(baseUrl).port) })
  return { app, baseUrl, times }
}

async function freeAddress () {
  const probe = Fastify()
  await probe.listen({ host: 'localhost', port: 0 })
  const { port } = probe.server.address()
  await probe.close()
  return `http://localhost:${port}`
}

let serial = 0

async function roundTrip (simulator, { baseUrl, times }) {
  const a = performance.now()
  const launch = await fetch(`${baseUrl}/clover/launch?merchant_id=${merchantOf(++serial)}`, { redirect: 'manual' })
  await launch.arrayBuffer()
  const cookie = launch.headers.getSetCookie().map(line => line.split(';')[0]).join('; ')
  const b = performance.now()
  const url = await simulator.ask('approve', launch.headers.get('location'))
  const c = performance.now()
  const callback = await fetch(url, { redirect: 'manual', headers: { cookie } })
  await callback.arrayBuffer()
  const d = performance.now()
  if (callback.status !== 302 || callback.headers.get('location') !== '/') throw new Error(`the callback answered ${callback.status} to ${callback.headers.get('location')}`)
  times.trips++
  times.launch += b - a
  times.approve += c - b
  times.callback += d - c
}

async function sealingCost (settings) {
  const stores = { plain: memoryStorage(), sealed: seal(memoryStorage()) }
  const merchants = Array.from({ length: 100 }, (_, n) => merchantOf(n))
  const records = merchants.map((merchantId, n) => recordOf({ merchantId, accessToken: longToken(n), refreshToken: longToken(n + 1e6), left: 86_400 }))
  const environment = { name: 'provider', authorize: 'http://localhost:1', api: 'http://localhost:1', legacy: 'http://localhost:1' }
  const apps = {}
  for (const [name, storage] of Object.entries(stores)) {
    for (const record of records) await storage.put(record, undefined)
    apps[name] = { cold: await startHost({ environment, storage: { ...storage }, cache: false }), warm: await startHost({ environment, storage }) }
    await apps[name].cold.ready()
    await apps[name].warm.ready()
  }
  const calls = {
    'the adapter\'s `put`': name => n => stores[name].put(records[n % 100], records[n % 100].revision),
    'the adapter\'s `get`': name => n => stores[name].get(merchants[n % 100]),
    '`accessToken()`, cache off': name => n => apps[name].cold.clover.accessToken(merchants[n % 100]),
    '`accessToken()`, from the cache': name => n => apps[name].warm.clover.accessToken(merchants[n % 100])
  }
  const rows = []
  for (const [what, make] of Object.entries(calls)) {
    const rates = await interleave({ plain: repeated(make('plain')), sealed: repeated(make('sealed')) }, settings)
    const [before, after] = [spread(rates.plain), spread(rates.sealed)]
    rows.push([what, rateText(before), rateText(after), ratioText(ratio(rates, 'sealed', 'plain')), `${number(1e6 / after.median - 1e6 / before.median)} µs`])
  }
  for (const { cold, warm } of Object.values(apps)) await Promise.all([cold.close(), warm.close()])
  return rows
}
