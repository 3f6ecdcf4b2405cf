import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import { Worker } from 'node:worker_threads'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { CloverOptions } from '../../src/index.js'
import { realRuntime } from '../../src/runtime.js'
import { cloverSimulator, type CloverSimulator, type SimulatorOptions } from '../../src/testing/index.js'
import { merchantA, merchantB, startHost } from '../harness/host.js'
import { numberOf, share } from '../harness/share.js'
import { adoptable } from '../harness/pairs.js'

/*
 * Strangers send launches and callbacks with made-up codes, as many as they like. Each exchange costs a call to Clover, so they wait for each other, and
 * nothing else waits for them (security 38). The host and Clover are reached over HTTP, in real time.
 */

/** A host that listens, with a merchant who is connected. */
async function startFlooded (t: Test, simulator: SimulatorOptions = {}, options: Partial<CloverOptions> = {}) {
  const clover = await cloverSimulator({ callsKept: 100_000, ...simulator })
  t.teardown(() => clover.close())
  const { wallClock, visitRate } = realRuntime
  const { app, url } = await startHost(t, { simulator: clover, listens: '127.0.0.1', fastify: { forceCloseConnections: true, logger: false }, runtime: { wallClock, visitRate }, options })
  const pair = clover.connect({ merchantId: merchantA })
  await app.clover.adopt(adoptable(merchantA, pair))
  return { app, clover, url }
}

interface Answer { status: number, headers: Record<string, string | string[] | undefined>, body: string }

const agent = new Agent({ keepAlive: true, maxSockets: 500 })
t.teardown(() => agent.destroy())

async function get (url: string, headers: Record<string, string> = {}): Promise<Answer> {
  const sent = request(url, { agent, headers: { accept: 'text/html', ...headers } })
  sent.end()
  const [response] = await once(sent, 'response') as [IncomingMessage]
  let body = ''
  for await (const chunk of response.setEncoding('utf8')) body += String(chunk)
  return { status: response.statusCode ?? 0, headers: response.headers, body }
}

/** More rounds for a measurement. */
const rounds = numberOf('FASTIFY_CLOVER_FLOOD_ROUNDS', share(1, 2))
/** Those who come at once: more than may wait. */
const visitors = share(150, 300)
/** Those who come in a second: several times as many as Clover's limit lets through. */
const perSecond = share(200, 400)

let codes = 0

/** A stranger launches the app for a merchant, and comes back with a code that Clover never gave. */
async function visit (url: string, merchantId: string): Promise<Answer> {
  const launch = await get(`${url}/clover/launch?merchant_id=${merchantId}`)
  const state = new URL(String(launch.headers.location)).searchParams.get('state') ?? ''
  const cookie = String(launch.headers['set-cookie']).split(';')[0] ?? ''
  const query = new URLSearchParams({ code: `made-up-code-${++codes}`, merchant_id: merchantId, state })
  return await get(`${url}/clover/callback?${query}`, { cookie })
}

const anyMerchant = () => `S${String(++codes).padStart(12, '0')}`

/** How often each status was answered, and how many visits there were. */
interface Flood { statuses: Record<string, number>, sent: number }

/** Strangers who visit so many times a second, whatever is answered, until they are told to stop. */
function flood (url: string, merchantId: string | undefined, perSecond: number): { stop: () => Promise<Flood> } {
  codes += 100_000
  const worker = new Worker(new URL('strangers.mjs', import.meta.url), { workerData: { url, merchantId, perSecond, from: codes }, execArgv: [], env: {} })
  return {
    stop: async () => {
      worker.postMessage('stop')
      const [result] = await once(worker, 'message') as [Flood]
      return result
    }
  }
}

/** How many calls of a kind reached Clover within one second, at most. */
function mostInASecond (clover: CloverSimulator, endpoint: string): number {
  const times = clover.calls.filter(call => call.endpoint === endpoint).map(({ at }) => at)
  return Math.max(0, ...times.map((first, index) => times.slice(index).filter(at => at < first + 1000).length))
}

async function timed (task: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await task()
  return performance.now() - began
}

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN

t.test('while Clover answers no exchange at all, a refresh waits for none, and visits that are too many get a page at once (security 38)', async t => {
  for (const merchant of [() => merchantA, () => merchantB, anyMerchant]) {
    const { app, clover, url } = await startFlooded(t)
    clover.fault({ on: 'token', kind: 'latency', ms: Infinity, times: Infinity })
    const answers: Answer[] = []
    const strangers = Array.from({ length: visitors }, async () => { answers.push(await visit(url, merchant())) })
    const mostThatWait = 102
    while (answers.length < visitors - mostThatWait) await new Promise(resolve => setTimeout(resolve, 10))
    for (let i = 0; i < 5; i++) await app.clover.refresh(merchantA)
    t.equal(clover.count('refresh', { ok: true }), 5)
    t.ok(clover.atOnce('token').open <= 2, `${clover.atOnce('token').open} exchanges are open`)
    t.match(await (await app.clover.fetch(merchantA, '/v3/merchants/{mId}')).json(), { id: merchantA }, 'a call with the merchant\'s token waits for none either')
    const isPage = ({ status, headers, body }: Answer) => status === 503 && /^\d{1,2}$/.test(String(headers['retry-after'])) && body.includes('<code>FST_CLOVER_UNAVAILABLE</code>') &&
      /<p>Too many people are opening the app at once: try again in \d+ seconds?\.<\/p>/.test(body)
    t.same(answers.filter(answer => !isPage(answer)), [], 'each is told when to try again')
    await closeWhileVisited(app, strangers)
  }
})

/** Those who still wait are turned away, or lose their connection. */
async function closeWhileVisited (app: FastifyInstance, strangers: Array<Promise<void>>): Promise<void> {
  const [settled] = await Promise.all([Promise.allSettled(strangers), app.close()])
  if (settled.length !== strangers.length) throw new Error('somebody waits for ever')
}

t.test('a flood neither holds up the refreshes of a connected merchant nor exceeds Clover\'s limit for the app (security 38)', async t => {
  // Clover takes as long as over the internet. Whoever waits gives up soon, so that the queue is empty in between.
  const { app, clover, url } = await startFlooded(t, { rateLimits: true, latency: 80 }, { maxWait: 1_000 })
  const refresh = () => timed(() => app.clover.refresh(merchantA))
  const times = { peace: [] as number[], flood: [] as number[] }
  const answers: Record<string, number> = {}
  let visits = 0
  await refresh()
  for (const merchantId of [merchantA, undefined]) {
    // In turns, so that what else the machine does disturbs both alike.
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < 5; i++) times.peace.push(await refresh())
      const strangers = flood(url, merchantId, perSecond)
      await new Promise(resolve => setTimeout(resolve, 700))
      for (let i = 0; i < 5; i++) times.flood.push(await refresh())
      const { statuses, sent } = await strangers.stop()
      visits += sent
      for (const [status, count] of Object.entries(statuses)) answers[status] = (answers[status] ?? 0) + count
    }
  }
  const refreshes = 20 * rounds + 1
  t.equal(clover.count('refresh'), refreshes)
  t.equal(clover.count('refresh', { ok: true }), refreshes, 'no refresh was refused')
  t.same(clover.calls.filter(({ status }) => status === 429), [], 'and nothing else was, for being too much')
  const most = mostInASecond(clover, 'token')
  t.ok(most <= 50, `${most} exchanges in a second, at most`)
  t.same(Object.keys(answers), ['403', '503'])
  t.ok(Number(answers[503]) > Number(answers[403]), 'most codes were not exchanged')
  t.comment(`${visits} visits with a made-up code, ${clover.count('token')} codes reached Clover, ${most} in a second at most`)
  t.comment(`a refresh took ${median(times.peace).toFixed(0)} ms in peace and ${median(times.flood).toFixed(0)} ms in the flood (medians of ${times.peace.length})`)
})

t.test('a merchant who opens the app after a flood is connected', async t => {
  const { app, clover, url } = await startFlooded(t)
  const strangers = Array.from({ length: 20 }, () => visit(url, anyMerchant()))
  const launch = await get(`${url}/clover/launch?merchant_id=${merchantB}`)
  const state = new URL(String(launch.headers.location)).searchParams.get('state') ?? ''
  const { code } = clover.authorize({ merchantId: merchantB })
  const reply = await get(`${url}/clover/callback?${new URLSearchParams({ code: String(code), merchant_id: merchantB, state })}`, { cookie: String(launch.headers['set-cookie']).split(';')[0] ?? '' })
  t.match([reply.status, reply.headers.location], [302, '/'])
  t.ok(await app.clover.installation(merchantB))
  t.same((await Promise.all(strangers)).map(({ status }) => status), Array(20).fill(403))
})

t.test('tokens that a stranger made up for the implicit flow wait in the same queue', async t => {
  const { app, clover, url } = await startFlooded(t, {}, { flow: 'v1', dangerouslyUseImplicitFlow: true })
  const before = clover.count('merchant')
  clover.fault({ on: 'merchant', kind: 'latency', ms: Infinity, times: Infinity })
  const post = async () => {
    const launch = await get(`${url}/clover/launch?merchant_id=${merchantB}`)
    const state = new URL(String(launch.headers.location)).searchParams.get('state') ?? ''
    const response = await fetch(`${url}/clover/callback`, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie: String(launch.headers['set-cookie']).split(';')[0] ?? '', 'sec-fetch-site': 'same-origin' },
      body: new URLSearchParams({ state, access_token: 'made-up-token-0123456789', merchant_id: merchantB })
    })
    await response.text()
    return response.status
  }
  const refused: number[] = []
  const strangers = Array.from({ length: 120 }, async () => { refused.push(await post()) })
  while (refused.length < 120 - 102) await new Promise(resolve => setTimeout(resolve, 10))
  t.ok(clover.count('merchant') - before <= 2)
  t.same(new Set(refused), new Set([503]))
  await closeWhileVisited(app, strangers)
})
