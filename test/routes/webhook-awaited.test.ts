import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import t, { type Test } from 'tap'
import { memoryStorage } from '../../src/storage/index.js'
import type { CloverEvent } from '../../src/options/options.js'
import { longestWait } from '../../src/routes/await-events.js'
import { connect } from '../harness/browser.js'
import { highTrust, merchantA, merchantB, type HostOptions } from '../harness/host.js'
import { until } from '../harness/waiting.js'
import { appEvent, startWebhookHost } from '../harness/webhook.js'
import { gate } from '../tokens/one-server.js'

/*
 * routes.webhook.awaitEvents: Clover is answered when the host has every event.
 */

const event = (id: string, type = 'UPDATE') => ({ objectId: `O:${id}`, type, ts: 5 })
const bodyOf = (merchants: object) => ({ appId: highTrust, merchants })
const both = bodyOf({ [merchantA]: [event('ONE'), event('TWO')], [merchantB]: [event('THREE')] })

/** A host that waits for each event; `pauses` are the waits of the plugin, which a test ends. */
async function start (t: Test, onEvent: (event: CloverEvent) => unknown, { awaitEvents = true, ...more }: HostOptions & { awaitEvents?: boolean } = {}) {
  const pauses: Array<{ milliseconds: number, end: () => void, signal: AbortSignal | undefined }> = []
  const sleep = async (milliseconds: number, signal?: AbortSignal) => {
    const { promise, open } = gate()
    pauses.push({ milliseconds, end: open, signal })
    signal?.addEventListener('abort', () => open())
    await promise
  }
  const host = await startWebhookHost(t, { ...more, webhook: { awaitEvents }, options: { ...more.options, onEvent }, runtime: { sleep } })
  /** The limit of the body that is being handled. */
  const limit = () => pauses.filter(({ milliseconds, signal }) => milliseconds === longestWait && !signal?.aborted)
  return { ...host, limit }
}

t.test('Clover is answered when the host has taken every event, and all are given at once and in order', async t => {
  const taken = gate()
  const given: string[] = []
  const { post } = await start(t, ({ id }) => { given.push(id); return taken.promise })
  let isAnswered = false
  const answer = post(both).finally(() => { isAnswered = true })
  await until('all are given', () => given.length === 3)
  t.same(given, ['ONE', 'TWO', 'THREE'])
  t.equal(isAnswered, false)
  taken.open()
  t.equal((await answer).status, 200)
  for (const result of [undefined, 7, Promise.resolve(false)]) {
    const { post } = await start(t, () => result)
    t.equal((await post(both)).status, 200, 'whatever the promise resolves with')
  }
})

t.test('without the option Clover is answered at once, although the host takes no event', async t => {
  const { post, limit } = await start(t, () => new Promise(() => {}), { awaitEvents: false })
  t.equal((await post(both)).status, 200)
  t.same(limit(), [])
})

t.test('if an event is rejected or throws, Clover gets a 503, and what was taken is not given again', async t => {
  for (const fail of [() => { throw new Error('my queue is full') }, () => Promise.reject(new Error('my queue is full'))]) {
    let isFull = true
    const given: string[] = []
    const { post, logs } = await start(t, ({ id }) => {
      given.push(id)
      return id === 'TWO' && isFull ? fail() : undefined
    })
    const refused = await post(both)
    t.equal(refused.status, 503)
    t.match(JSON.parse(refused.body), { statusCode: 503, code: 'FST_CLOVER_WEBHOOK', message: /^onEvent did not take 1 of 3 events: send the webhook again\./ })
    t.equal(refused.headers.get('retry-after'), '1')
    t.notMatch(refused.body, 'my queue is full')
    t.match(logs.join(''), /my queue is full.*fastify-clover: onEvent threw/)
    t.equal((await post(both)).status, 503, 'still full')
    isFull = false
    t.equal((await post(both)).status, 200)
    t.same(given, ['ONE', 'TWO', 'THREE', 'TWO', 'TWO'])
    t.equal((await post(bodyOf({ [merchantA]: [event('ONE')] }))).status, 200)
    t.same(given.slice(5), ['ONE'], 'what was answered with 200 is not remembered')
  }
})

t.test('of two equal events, one of which was not taken, both are given again', async t => {
  let count = 0
  const { post } = await start(t, () => { if (++count === 2) throw new Error('mine') })
  const twice = bodyOf({ [merchantA]: [event('ONE'), event('ONE')] })
  t.match(JSON.parse((await post(twice)).body), { message: /did not take 1 of 2 events/ })
  t.equal((await post(twice)).status, 200)
  t.equal(count, 4)
})

t.test('an event that is never taken costs a wait of ten seconds, and keeps no other from being taken', async t => {
  const stuck = gate()
  const given: string[] = []
  const { post, limit } = await start(t, ({ id }) => { given.push(id); return id === 'ONE' ? stuck.promise : undefined })
  const answer = post(both)
  await until('it waits', () => limit().length === 1)
  t.equal(longestWait, 10_000)
  limit()[0]?.end()
  const { status, body } = await answer
  t.match([status, JSON.parse(body)], [503, { message: /^onEvent did not take 1 of 3 events/ }])

  const again = post(both)
  await until('it waits again', () => limit().length === 1)
  t.same(given, ['ONE', 'TWO', 'THREE', 'ONE'])
  stuck.open()
  t.equal((await again).status, 200)
  t.same(limit(), [], 'no timer is left')

  const alone = await start(t, () => new Promise(() => {}))
  const one = alone.post(bodyOf({ [merchantA]: [event('ONE')] }))
  await until('it waits', () => alone.limit().length === 1)
  alone.limit()[0]?.end()
  t.match(JSON.parse((await one).body), { message: /did not take 1 of 1 event:/ })
})

t.test('a late rejection after the answer is logged, and nothing else', async t => {
  const late = gate()
  const { post, limit, logs } = await start(t, () => late.promise)
  const answer = post(both)
  await until('it waits', () => limit().length === 1)
  limit()[0]?.end()
  t.equal((await answer).status, 503)
  late.fail(new Error('too late'))
  await until('it is logged', () => logs.join('').includes('too late'))
})

t.test('an uninstall in the same body does not wait for the host, and its failure is answered as ever', async t => {
  const inner = memoryStorage()
  let isDown = false
  const storage = { ...inner, delete: async (merchantId: string, expected?: string) => { if (isDown) throw new Error('down'); return await inner.delete(merchantId, expected) } }
  const stuck = gate()
  const given: string[] = []
  const host = await start(t, ({ id }) => { given.push(id); return stuck.promise }, { options: { storage } })
  const { clover, browser, time, post, told } = host
  for (const merchantId of [merchantA, merchantB]) await connect(browser(), clover, merchantId)
  time.pass(60_000)
  const leaves = (merchantId: string) => bodyOf({ [merchantId]: [event('ONE'), appEvent('DELETE', time.now())] })
  const answer = post(leaves(merchantA))
  await until('the merchant is forgotten', async () => await inner.get(merchantA) === undefined)
  t.same(told.disconnected, [merchantA])
  host.limit()[0]?.end()
  t.equal((await answer).status, 503)

  stuck.open()
  isDown = true
  const failed = await post(leaves(merchantB))
  t.match([failed.status, JSON.parse(failed.body)], [503, { code: 'FST_CLOVER_STORAGE' }])
  isDown = false
  t.equal((await post(leaves(merchantB))).status, 200)
  t.same(given, ['ONE', 'ONE'], 'the event was taken the first time')
  t.equal(await inner.get(merchantB), undefined)
})

t.test('a closing server finishes the body first, and closes the host\'s store after that', async t => {
  const taken = gate()
  const steps: string[] = []
  const host = await start(t, async () => { steps.push('given'); await taken.promise; steps.push('taken') }, {
    before: app => {
      app.addHook('preClose', async () => { steps.push('closing') })
      app.addHook('onClose', async () => { steps.push('the store closes') })
    }
  })
  const answer = postOnce(host)
  await until('it is given', () => steps.length === 1)
  const closed = host.app.close()
  await until('the server closes', () => steps.length === 2)
  taken.open()
  t.equal(await answer, 200)
  await closed
  t.same(steps, ['given', 'closing', 'taken', 'the store closes'])

  const stuck = await start(t, () => new Promise(() => {}))
  const late = postOnce(stuck)
  await until('it waits', () => stuck.limit().length === 1)
  const closing = stuck.app.close()
  stuck.limit()[0]?.end()
  t.equal(await late, 503)
  await closing
})

/** Posts an event over a connection that is not kept: a closing server would wait until the other side ends an idle one. Resolves with the status. */
async function postOnce ({ url, auth }: { url: string, auth: string }): Promise<number | undefined> {
  const request = httpRequest(url, { method: 'POST', agent: false, headers: { 'content-type': 'application/json', 'x-clover-auth': auth } })
  request.end(JSON.stringify(bodyOf({ [merchantA]: [event('ONE')] })))
  const [reply] = await once(request, 'response') as [IncomingMessage]
  reply.resume()
  return reply.statusCode
}
