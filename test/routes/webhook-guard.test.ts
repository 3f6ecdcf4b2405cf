import { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { webhookGuard } from '../../src/routes/webhook-auth.js'

/*
 * The guard of the webhook route by itself: how much of a stranger's body is read, and what is said of a refusal.
 */

const request = (value?: string, body?: unknown) => ({ headers: { ...(value !== undefined && { 'x-clover-auth': value }) }, body }) as unknown as FastifyRequest

/** A guard, and the reasons with which it refused. */
function guard (...auth: string[]) {
  const reasons: string[] = []
  return { reasons, ...webhookGuard(auth, reason => { reasons.push(reason) }) }
}

/** The bytes that come through the guard. */
async function bytes (stream: Readable): Promise<number> {
  let count = 0
  for await (const chunk of stream) count += (chunk as Buffer).length
  return count
}

const body = (...sizes: number[]) => Readable.from(sizes.map(size => Buffer.alloc(size)))

t.test('1024 bytes of a stranger are read, and the next one is refused once', async t => {
  for (const sizes of [[1024], [1000, 24], [1025], [1024, 1], [1000, 24, 5000, 5000]]) {
    const { preParsing, reasons } = guard('secret')
    const isWhole = sizes.reduce((sum, size) => sum + size, 0) === 1024
    const reading = bytes(await preParsing(request(), undefined, body(...sizes)))
    if (isWhole) t.equal(await reading, 1024, sizes.join())
    else await t.rejects(reading, { code: 'FST_CLOVER_WEBHOOK', statusCode: 401 }, sizes.join())
    t.equal(reasons.length, isWhole ? 0 : 1)
  }
})

t.test('Clover\'s body comes through as it is', async t => {
  const { preParsing } = guard('first', 'second')
  for (const auth of ['first', 'second']) {
    const payload = body(5000)
    t.equal(await preParsing(request(auth), undefined, payload), payload)
  }
})

t.test('a body is not touched before it is read, and one that a hook reads along is limited as well', async t => {
  const { preParsing } = guard('secret')
  const untouched = body(5000)
  await preParsing(request(), undefined, untouched)
  t.equal(untouched.readableFlowing, null)
  const flowing = body(1000, 1000)
  let seen = 0
  flowing.on('data', (chunk: Buffer) => { seen += chunk.length })
  const limited = await preParsing(request(), undefined, flowing)
  await t.rejects(bytes(limited), { code: 'FST_CLOVER_WEBHOOK' })
  t.equal(seen, 2000)
})

t.test('a body that breaks off is an error of the body', async t => {
  const { preParsing, reasons } = guard('secret')
  const payload = new Readable({ read () { this.destroy(new Error('aborted')) } })
  await t.rejects(bytes(await preParsing(request(), undefined, payload)), { message: 'aborted' })
  t.same(reasons, [])
})

t.test('a refusal says what is wrong with the value, and a verification needs none', async t => {
  const wrong = guard('secret')
  await t.rejects(wrong.preValidation(request(undefined, {})), { code: 'FST_CLOVER_WEBHOOK' })
  await t.rejects(wrong.preValidation(request('other', {})), { code: 'FST_CLOVER_WEBHOOK' })
  t.same(wrong.reasons, ['it has no X-Clover-Auth', 'its X-Clover-Auth is not that of routes.webhook.auth'])
  const none = guard()
  await t.rejects(none.preValidation(request('other', {})))
  t.same(none.reasons, ['routes.webhook.auth is not set yet'])
  t.equal(await wrong.preValidation(request('secret', {})), undefined)
  t.equal(await wrong.preValidation(request(undefined, { verificationCode: '11111111-2222-4333-8444-555555555555' })), undefined)
  t.equal(wrong.isFromClover(request('secret')), true)
  t.equal(wrong.isFromClover(request('secre')), false)
})
