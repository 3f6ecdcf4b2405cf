/*
 * A job of workload 6 over many merchants, in a process of its own with --expose-gc: a Clover and a store that are made up on the spot and
 * keep nothing but what is under way, so that all memory is the plugin's; and a time of its own, in which waiting takes no time.
 */
import { merchantOf, recordOf, startHost } from './host.mjs'
import { VirtualTime } from './virtual-time.mjs'

const [job, count, rate] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])]
const latency = 50
const time = new VirtualTime()
const seconds = () => Math.floor(time.now() / 1000)
let requests = 0
let serial = 0

/** Clover, in this process: it answers after 50 ms of that time. */
async function fetch (url, { body }) {
  requests++
  await time.sleep(latency)
  const { pathname } = url
  const pair = { access_token: `access-${++serial}`, access_token_expiration: seconds() + 1800, refresh_token: `refresh-${serial}`, refresh_token_expiration: seconds() + 31_536_000 }
  const reply = pathname.startsWith('/v3/merchants/')
    ? { id: pathname.slice('/v3/merchants/'.length) }
    : pathname === '/oauth/token/migrate_v2' ? { authorization_code: `code-${serial}-${JSON.parse(body).merchant_uuid}`, expiration: seconds() + 600 } : pair
  const date = new Date(time.now()).toUTCString()
  const headers = { date, 'content-type': 'application/json' }
  return { ok: true, status: 200, headers: { get: name => headers[name.toLowerCase()] ?? null }, body: [Buffer.from(JSON.stringify(reply))] }
}

const underWay = new Map()
const stale = n => ({
  ...recordOf({ merchantId: merchantOf(n), accessToken: `old-access-${n}`, refreshToken: `old-refresh-${n}`, left: -10 }),
  updatedAt: seconds() - 31_000_000,
  refreshTokenExpiration: seconds() + 86_400,
  dueAt: seconds() + 86_400
})
const numberOf = merchantId => parseInt(merchantId.slice(1), 36)

const storage = {
  get: async merchantId => structuredClone(underWay.get(merchantId)) ?? (job === 'keepAlive' ? stale(numberOf(merchantId)) : undefined),
  async put (next) {
    if (next.refreshLease) underWay.set(next.merchantId, next)
    else underWay.delete(next.merchantId)
    return true
  },
  delete: async () => false,
  async list ({ cursor = '0', limit }) {
    const from = Number(cursor)
    const to = Math.min(count, from + limit)
    if (job === 'summary') for (let n = from; n < to; n++) step()
    return { items: Array.from({ length: to - from }, (_, i) => stale(from + i)), ...(to < count && { cursor: String(to) }) }
  }
}

const environment = { name: 'provider', authorize: 'http://localhost:1', api: 'http://localhost:1', legacy: 'http://localhost:1' }
const app = await startHost({ environment, storage, maxCalls: 100, runtime: { fetch, wallClock: time.now, sleep: time.sleep } })
await app.ready()

const heaps = []
const look = () => {
  global.gc()
  heaps.push(process.memoryUsage().heapUsed)
}
const marks = Array.from({ length: 10 }, (_, i) => Math.floor(count * (i + 1) / 10))
let done = 0
const step = () => {
  if (++done >= marks[0]) {
    marks.shift()
    look()
  }
}
// Every merchant's last write ends it.
const { put } = storage
storage.put = async next => {
  const stored = await put(next)
  if (!next.refreshLease) step()
  return stored
}

async function * legacy () {
  for (let n = 0; n < count; n++) yield { merchantId: merchantOf(n), legacyToken: `legacy-${n}` }
}

if (typeof app.clover[job] !== 'function') {
  process.send({ ready: { missing: true } })
} else {
  process.send({ ready: {} })
}

process.on('message', async ({ id }) => {
  const from = time.now()
  const cpu = process.cpuUsage()
  const began = performance.now()
  const outcomes = {}
  let summary
  if (job === 'keepAlive') {
    summary = await app.clover.keepAlive({ within: 2_592_000, rate, concurrency: 50 })
  } else if (job === 'summary') {
    summary = await app.clover.summary()
  } else {
    for await (const outcome of app.clover.migrateLegacy(legacy(), { rate, concurrency: 50 })) {
      const kind = outcome.outcome ?? outcome.result ?? outcome.status ?? 'outcome'
      outcomes[kind] = (outcomes[kind] ?? 0) + 1
    }
  }
  const { user, system } = process.cpuUsage(cpu)
  process.send({
    id,
    value: {
      done,
      requests,
      outcomes: summary ?? outcomes,
      elapsed: performance.now() - began,
      cost: (user + system) / count,
      virtual: (time.now() - from) / 1000,
      used: requests / ((time.now() - from) / 1000) / rate,
      growth: (Math.max(...heaps) - Math.min(...heaps)) / 1e6
    }
  })
})
process.once('disconnect', () => process.exit(0))
