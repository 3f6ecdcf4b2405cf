import { inspect } from 'node:util'
import Fastify from 'fastify'
import t from 'tap'
import {
  badReply, badState, closing, denied, errorCodes, eventsNotTaken, foreignUrl, invalidMerchantId, invalidOptions, isCloverError, merchantMismatch, noEcommerce, nobodyConnected, notConnected, otherApp, otherDeployment, permissionMissing, reauthorizationRequired, recordSealed,
  recordUnreadable, storageFailed, tooManyVisits, unavailable, webhookRefused, type CloverError
} from '../src/errors.js'
import { logEvents } from '../src/events/log.js'
import { eventTypes, type TokenEvent } from '../src/events/table.js'

const merchantId = 'MERCHANT0000A'

const made: Array<[CloverError, keyof typeof errorCodes, number, RegExp, object]> = [
  [notConnected(merchantId), 'FST_CLOVER_NOT_CONNECTED', 409, /MERCHANT0000A is not connected: send the merchant's browser/, { merchantId }],
  [nobodyConnected('https://x.example/l'), 'FST_CLOVER_NOT_CONNECTED', 409, /^The request comes from no connected merchant: send/, { launchUrl: 'https://x.example/l' }],
  [reauthorizationRequired(merchantId), 'FST_CLOVER_REAUTHORIZATION_REQUIRED', 409, /MERCHANT0000A any more: send/, { merchantId }],
  [reauthorizationRequired(merchantId, 'https://x.example/l'), 'FST_CLOVER_REAUTHORIZATION_REQUIRED', 409, /authorize again/, { merchantId, launchUrl: 'https://x.example/l' }],
  [unavailable('why'), 'FST_CLOVER_UNAVAILABLE', 503, /\(why\): try again in 1 second\.$/, { retryAfter: 1, headers: { 'retry-after': '1' } }],
  [unavailable('why', 2.1, merchantId), 'FST_CLOVER_UNAVAILABLE', 503, /in 3 seconds/, { merchantId, retryAfter: 3, headers: { 'retry-after': '3' } }],
  [unavailable('why', -7), 'FST_CLOVER_UNAVAILABLE', 503, /in 1 second\.$/, { retryAfter: 1 }],
  [badReply('why'), 'FST_CLOVER_BAD_REPLY', 502, /documented form \(why\)/, {}],
  [badReply('why', merchantId), 'FST_CLOVER_BAD_REPLY', 502, /nothing of it was used/, { merchantId }],
  [storageFailed('put', 'why'), 'FST_CLOVER_STORAGE', 503, /failed in put: the reason is in the server's log/, { cause: { message: 'why' } }],
  [storageFailed('put', 'why', merchantId, new Error('cause')), 'FST_CLOVER_STORAGE', 503, /failed in put/, { merchantId, cause: { message: 'cause' } }],
  [invalidOptions(['One.', 'Two.']), 'FST_CLOVER_INVALID_OPTIONS', 500, /^One\.\nTwo\.$/, {}],
  [invalidMerchantId(), 'FST_CLOVER_INVALID_MERCHANT_ID', 400, /13 characters/, {}],
  [merchantMismatch(merchantId), 'FST_CLOVER_MERCHANT_MISMATCH', 403, /does not belong to merchant MERCHANT0000A/, { merchantId }],
  [permissionMissing(merchantId, 'Read merchant'), 'FST_CLOVER_PERMISSION', 403, /enable the Read merchant permission/, { merchantId }],
  [denied('why'), 'FST_CLOVER_DENIED', 403, /not granted: why/, {}],
  [denied('why', merchantId), 'FST_CLOVER_DENIED', 403, /not granted: why/, { merchantId }],
  [badState('A sentence.'), 'FST_CLOVER_STATE', 400, /^A sentence\.$/, {}],
  [webhookRefused('A sentence.'), 'FST_CLOVER_WEBHOOK', 401, /^A sentence\.$/, {}],
  [webhookRefused('A sentence.', 400), 'FST_CLOVER_WEBHOOK', 400, /^A sentence\.$/, {}],
  [eventsNotTaken(2, 5), 'FST_CLOVER_WEBHOOK', 503, /^onEvent did not take 2 of 5 events: send the webhook again/, { retryAfter: 1, headers: { 'retry-after': '1' } }],
  [otherDeployment(merchantId, 'production', 'staging'), 'FST_CLOVER_OTHER_DEPLOYMENT', 500, /MERCHANT0000A belongs to another deployment.* set the option deployment/, { merchantId, cause: { message: 'the record belongs to production, and this server to staging' } }],
  [otherDeployment(merchantId, 'a token\n', 'staging'), 'FST_CLOVER_OTHER_DEPLOYMENT', 500, /give each deployment a store/, { cause: { message: 'the record belongs to a deployment that has no proper name, and this server to staging' } }],
  [otherApp(merchantId), 'FST_CLOVER_OTHER_APP', 500, /give each app and environment a store/, { merchantId }],
  [recordSealed(merchantId, 'accessToken', 'why'), 'FST_CLOVER_SEALED', 500, /MERCHANT0000A/, { merchantId }],
  [recordUnreadable(merchantId, 'why'), 'FST_CLOVER_UNREADABLE', 500, /MERCHANT0000A cannot be read \(why\): send the merchant's browser to the launch route/, { merchantId }],
  [tooManyVisits(5, merchantId), 'FST_CLOVER_UNAVAILABLE', 503, /^Too many people are opening the app at once: try again in 5 seconds\.$/, { merchantId, headers: { 'retry-after': '5' } }],
  [tooManyVisits(0.2), 'FST_CLOVER_UNAVAILABLE', 503, /at once: try again in 1 second\.$/, { retryAfter: 1 }],
  [foreignUrl(merchantId), 'FST_CLOVER_FOREIGN_URL', 500, /goes only to Clover: give a path such as/, { merchantId }],
  [noEcommerce('A sentence.', merchantId), 'FST_CLOVER_NO_ECOMMERCE', 500, /no ecommerce key: A sentence\.$/, { merchantId }],
  [closing(), 'FST_CLOVER_CLOSING', 503, /closing/, {}]
]

t.test('every error has its code, its status, a message that says what to do, and its details', async t => {
  for (const [error, code, statusCode, message, details] of made) {
    t.ok(error instanceof Error)
    t.ok(error instanceof errorCodes[code])
    t.match(error, { code, statusCode, message, ...details })
    t.equal(isCloverError(error), true)
    t.equal(isCloverError(error, code), true)
    t.equal(isCloverError(error, code === 'FST_CLOVER_STATE' ? 'FST_CLOVER_DENIED' : 'FST_CLOVER_STATE'), false)
    t.notMatch(error.message, '%s')
    t.notMatch(Object.keys(error).join(), 'cause', 'it is not copied with the error (security 33)')
  }
  for (const [code, ErrorClass] of Object.entries(errorCodes)) {
    const error = new (ErrorClass as new (...args: string[]) => CloverError)('a', 'b', 'c')
    t.match(error, { code, name: 'FastifyError' })
    t.ok(error.statusCode >= 400 && error.statusCode < 600)
    t.ok(made.some(([, madeCode]) => madeCode === code), `${code} is made by one of these`)
  }
})

t.test('what is not an error of the plugin is not taken for one', async t => {
  const other = (code: unknown) => Object.assign(new Error('x'), { code })
  for (const value of [undefined, null, 'FST_CLOVER_STATE', {}, { code: 'FST_CLOVER_STATE' }, new Error('x'), other('ECONNRESET'), other('toString'), other('__proto__'), other('constructor'), other(undefined), other(7)]) {
    t.equal(isCloverError(value), false, inspect(value))
  }
})

t.test('a host\'s server sends an error with its status and headers, and without its details', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  made.forEach(([error], index) => { app.get(`/${index}`, async () => { throw error }) })
  for (const [index, [error, code, statusCode]] of made.entries()) {
    const reply = await app.inject(`/${index}`)
    const { code: shownCode, message } = reply.json<{ code: string, message: string }>()
    t.same([reply.statusCode, shownCode, message, reply.headers['retry-after'], /cause|launchUrl/.test(reply.body)], [statusCode, code, error.message, error.headers?.['retry-after'], false])
  }
})

t.test('every event of the tokens is logged with its name, its details and a sentence (security 37)', async t => {
  const samples: TokenEvent[] = [
    { type: 'connected', merchantId, isNew: true }, { type: 'refreshed', merchantId, duration: 5 }, { type: 'recovered', merchantId, duration: 5 },
    { type: 'refresh-refused', merchantId, status: 401, recoveryAvailable: true }, { type: 'refresh-failed', merchantId, duration: 5, reason: 'why' }, { type: 'pair-held', merchantId, reason: 'why' },
    { type: 'pair-written', merchantId }, { type: 'pair-dropped', merchantId }, { type: 'pair-abandoned', merchantId },
    { type: 'reauthorization-required', merchantId, since: 1, retryAt: 2, first: true }, { type: 'merchant-mismatch', merchantId, reason: 'why' }, { type: 'disconnected', merchantId },
    { type: 'odd-reply', merchantId, reason: 'why' }, { type: 'state-refused', reason: 'why' }, { type: 'record-not-opened', merchantId, reason: 'why' },
    { type: 'reconnected', merchantId, since: 1, by: 'refresh' }, { type: 'storage-failed', merchantId, reason: 'why' }, { type: 'exchange-refused', merchantId, status: 401 },
    { type: 'webhook-refused', reason: 'why' }, { type: 'webhook-verification', isTold: true }
  ]
  const lines: Array<[string, unknown, string]> = []
  const log = (level: string) => (details: unknown, text: string) => { lines.push([level, details, text]) }
  const notify = logEvents({ debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') } as never)
  for (const sample of samples) {
    notify(sample)
    const { type, ...details } = sample
    const [level, logged, text] = lines.at(-1) ?? []
    t.same(logged, { clover: { event: type, ...details } })
    t.match(text, /^fastify-clover: [a-zA-Z]/)
    if (/mismatch|refresh-refused|required|recovered|failed|odd/.test(type)) t.equal(level, 'warn', type)
    if (/held|abandoned|not-opened/.test(type)) t.equal(level, 'error', type)
  }
  t.same(samples.map(({ type }) => type).sort(), [...eventTypes].sort(), 'every event')
})
