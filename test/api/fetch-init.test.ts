import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import type { CloverFetchInit } from '../../src/index.js'
import { merchantA } from '../harness/host.js'
import { apiHost, ownServer } from './api-host.js'

interface Received { method: string | undefined, type: string | undefined, own: string | string[] | undefined, body: string }

/** A server in the place of Clover's ecommerce API, what it received, and the statuses that it answers with; 200 by default. */
async function receiver (t: Test) {
  const received: Received[] = []
  const statuses: number[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const { 'content-type': type, 'x-own': own } = request.headers
    received.push({ method: request.method, type: type?.replace(/boundary=.*/, 'boundary'), own, body: body.replaceAll(/-{4,}[\w-]*\d{6,}[\w-]*/g, 'boundary') })
    response.writeHead(statuses.shift() ?? 200, { 'retry-after': '0' }).end()
  }
  const { origin } = await ownServer(t, (request, response) => { answer(request, response).catch(() => { response.destroy() }) })
  const host = await apiHost(t, { options: clover => ({ environment: { ...clover.environment, ecommerce: origin } }) })
  await host.connect()
  return { host, received, statuses, url: `${origin}/v1/x` }
}

/** Options with inherited members, as an instance of a class has them. */
class Options {
  get method () { return 'PUT' }
  get headers () { return { 'x-own': 'class' } }
  get body () { return 'of a class' }
}

const form = () => {
  const form = new FormData()
  form.set('name', 'Tea')
  form.set('file', new Blob(['bytes'], { type: 'image/png' }), 'tea.png')
  return form
}
const post = (body: unknown, more: object = {}) => ({ method: 'POST', headers: { 'x-own': 'yes' }, body, ...more }) as CloverFetchInit
async function * generate () {
  yield new TextEncoder().encode('first ')
  yield new TextEncoder().encode('second')
}

const replayable: Record<string, () => CloverFetchInit> = {
  nothing: () => ({}),
  'a method in lower case': () => ({ method: 'delete' }),
  text: () => post('text'),
  bytes: () => post(Buffer.from('bytes')),
  'an ArrayBuffer': () => post(new TextEncoder().encode('buffer').buffer),
  'a Blob': () => post(new Blob(['blob'], { type: 'text/x-blob' })),
  FormData: () => post(form()),
  URLSearchParams: () => post(new URLSearchParams({ a: '1 2', b: 'c&d' })),
  Headers: () => post('x', { headers: new Headers({ 'x-own': 'of Headers' }) }),
  'inherited members': () => Object.create(post('inherited')) as CloverFetchInit,
  getters: () => ({ get method () { return 'PATCH' }, get body () { return 'of a getter' } }),
  'an instance of a class': () => new Options(),
  'an instance of a class that inherits': () => new (class extends Options {})(),
  'members that nobody can change': () => Object.freeze(post('frozen')),
  'members without a prototype': () => Object.assign(Object.create(null) as object, post('bare')),
  'members that are not enumerable': () => Object.defineProperty({ method: 'POST' }, 'body', { value: 'hidden', enumerable: false }),
  'a Request without a body': () => new Request('http://localhost/other?not=used', { headers: { 'x-own': 'request' } }),
  'a Request without a body, of another method': () => new Request('http://localhost', { method: 'DELETE' })
}

const once: Record<string, () => CloverFetchInit> = {
  'a ReadableStream': () => post(new Blob(['stream']).stream(), { duplex: 'half' }),
  'a Node stream': () => post(Readable.from([Buffer.from('node '), Buffer.from('stream')]), { duplex: 'half' }),
  'an async generator': () => post(generate(), { duplex: 'half' }),
  'a Request with text': () => new Request('http://localhost', { method: 'POST', body: 'of a request', headers: { 'x-own': 'request', 'content-type': 'application/json' } }),
  'a Request with a form': () => new Request('http://localhost', { method: 'PUT', body: form() }),
  'a Request that is a copy': () => new Request(new Request('http://localhost', { method: 'POST', body: 'copied' }), { headers: { 'x-own': 'copy' } })
}

t.test('the request is the same as that of the global fetch', async t => {
  const { host, received, url } = await receiver(t)
  for (const [name, make] of Object.entries({ ...replayable, ...once })) {
    await fetch(url, make())
    t.equal((await host.app.clover.fetch(merchantA, url, make())).status, 200)
    const [expected, actual] = received.splice(0)
    t.same(actual, expected, name)
  }
  for (const none of [undefined, null]) {
    await host.app.clover.fetch(merchantA, url, none as unknown as CloverFetchInit)
    t.match(received.splice(0), [{ method: 'GET', body: '' }])
  }
})

t.test('after 429 and after 401 the same request is sent again, unless its body is a stream', async t => {
  const { host, received, statuses, url } = await receiver(t)
  for (const status of [429, 401]) {
    for (const [inits, times] of [[replayable, 2], [once, 1]] as const) {
      for (const [name, make] of Object.entries(inits)) {
        await host.connect()
        statuses.push(status)
        host.time.pass(400_000) // a token that is older may have died
        t.equal((await host.app.clover.fetch(merchantA, url, make())).status, times === 2 ? 200 : status, name)
        const [first, ...again] = received.splice(0)
        t.same(again, Array(times - 1).fill(first), `${name} after ${status}`)
        statuses.splice(0)
      }
    }
  }
})

t.test('each member is read once', async t => {
  const { host, url } = await receiver(t)
  const reads: string[] = []
  const init = new Proxy(post('x'), { get: (target, name, receiver) => { reads.push(String(name)); return Reflect.get(target, name, receiver) as unknown } })
  await host.app.clover.fetch(merchantA, url, init)
  t.same(reads.length, new Set(reads).size)
  t.ok(reads.includes('body'))
})

t.test('the signal of a Request ends the call', async t => {
  const { host, url, received } = await receiver(t)
  const abort = new AbortController()
  const reason = new Error('enough')
  abort.abort(reason)
  await t.rejects(host.app.clover.fetch(merchantA, url, new Request(url, { signal: abort.signal })), reason)
  t.equal(received.length, 0)
})

t.test('options that are not an object, and a Request whose body was read, are refused', async t => {
  const { host, url, received } = await receiver(t)
  for (const init of ['POST', 7, true, () => {}]) {
    await t.rejects(host.app.clover.fetch(merchantA, url, init as unknown as CloverFetchInit), { code: 'FST_CLOVER_INVALID_OPTIONS', message: /fetch\(\) needs its options to be an object/ })
  }
  const used = new Request(url, { method: 'POST', body: 'x' })
  await used.text()
  await t.rejects(host.app.clover.fetch(merchantA, url, used), TypeError)
  t.equal(received.length, 0)
})
