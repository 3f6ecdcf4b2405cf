import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { environments, type Environment } from '../../src/environments.js'
import { optionFindings } from '../../src/operations/option-checks.js'
import { weaknessOf } from '../../src/operations/weak-secret.js'
import type { CloverOptions } from '../../src/options/options.js'
import { resolveOptions } from '../../src/options/resolve-options.js'
import { memoryStorage } from '../../src/storage/index.js'
import { optionsWith } from '../harness/boot.js'

const good = randomBytes(32).toString('base64')
const simulator: Environment = { name: 'simulator', authorize: 'http://localhost:1', api: 'http://localhost:1', legacy: 'http://localhost:1' }

/** The status and the message of one check, for options that the boot accepts. */
function look (check: string, changes: Partial<CloverOptions>): { status: string, message: string } {
  const options = resolveOptions(optionsWith({ environment: 'north-america', cookieSecret: good, ...changes }))
  const finding = [...optionFindings({ options })].find(finding => finding.check === check)
  if (finding === undefined) throw new Error(`no finding of ${check}`)
  if (finding.status === 'warning' || finding.status === 'error') if (!finding.fix || !finding.link) throw new Error(`${check} does not say what to do`)
  return { status: finding.status, message: finding.message }
}

const is = (t: Test, check: string, changes: Partial<CloverOptions>, status: string, message?: RegExp) => t.match(look(check, changes), { status, ...(message && { message }) })

t.test('a cookie secret that can be guessed is an error where there are merchants, and a warning where there are none', async t => {
  const weak: Array<[string, RegExp]> = [
    ['x'.repeat(32), /different characters/],
    ['1234567'.repeat(5), /different characters/],
    ['correcthorse!'.repeat(3), /repeats itself/],
    ['correcthorse!'.repeat(2) + 'correcthor', /repeats itself/],
    ['abcdefghijklmnopqrstuvwxyz0123456789', /in order/],
    ['zyxwvutsrqponmlkjihgfedcba9876543210', /in order/],
    ['at least thirty-two characters of secret', /example/],
    ['change-me-change-me-please-it-is-my-secret-key', /example/],
    ['my-super-secret-cookie-password-for-production-1', /example/]
  ]
  for (const [secret, reason] of weak) {
    is(t, 'cookie-secret', { cookieSecret: secret }, 'error', reason)
    is(t, 'cookie-secret', { cookieSecret: [good, secret] }, 'error', reason)
    is(t, 'cookie-secret', { cookieSecret: secret, environment: 'sandbox' }, 'warning', reason)
    is(t, 'cookie-secret', { cookieSecret: secret, environment: simulator }, 'warning', reason)
    t.notMatch(look('cookie-secret', { cookieSecret: secret }).message, secret.slice(0, 8))
  }
  is(t, 'cookie-secret', { cookieSecret: good, appSecret: good }, 'warning', /is the App Secret/)
})

t.test('no secret that was drawn at random counts as weak, and none of words of its own', async t => {
  for (let i = 0; i < 300; i++) {
    for (const encoding of ['base64', 'base64url', 'hex'] as const) {
      const secret = randomBytes(24).toString(encoding)
      t.equal(weaknessOf(secret), undefined, secret)
    }
  }
  t.equal(weaknessOf(randomBytes(16).toString('hex')), undefined)
  t.equal(weaknessOf('2f1c7a90-5b3e-4d28-9c61-8e0fa4b7d352'), undefined, 'a UUID')
  t.equal(weaknessOf('gravel unwed scorch ladybug pueblo mutable'), undefined)
  is(t, 'cookie-secret', {}, 'ok')
  is(t, 'cookie-secret', { cookieSecret: [good, randomBytes(32).toString('hex')] }, 'ok')
  is(t, 'cookie-secret', { routes: false, cookieSecret: undefined }, 'not-checked')
})

t.test('the App Secret: there, not the App ID; a low-trust app has none', async t => {
  is(t, 'app-secret', { appSecret: 'an-app-secret' }, 'ok', /high trust/)
  is(t, 'app-secret', { appSecret: false }, 'ok', /low trust/)
  is(t, 'app-secret', { appSecret: 'ABCDEFGHJKLMN' }, 'error', /is the App ID/)
})

t.test('options that begin with dangerously', async t => {
  is(t, 'dangerous-options', {}, 'ok')
  is(t, 'dangerous-options', { dangerouslyTrustMerchantId: true }, 'error', /dangerouslyTrustMerchantId/)
  is(t, 'dangerous-options', { dangerouslyTrustMerchantId: true, environment: 'sandbox' }, 'warning', /dangerouslyTrustMerchantId/)
  is(t, 'dangerous-options', { dangerouslyUseImplicitFlow: true, flow: 'v1', environment: simulator }, 'warning', /dangerouslyUseImplicitFlow/)
})

t.test('plain http is for the sandbox and a simulator', async t => {
  is(t, 'base-url', {}, 'ok')
  is(t, 'base-url', { baseUrl: 'http://localhost:3000' }, 'error', /no merchant's browser reaches it/)
  is(t, 'base-url', { baseUrl: 'http://localhost:3000', environment: 'sandbox' }, 'ok')
  is(t, 'base-url', { baseUrl: undefined, routes: false }, 'not-checked')
})

t.test('a process that trusts every certificate is found', async t => {
  const { NODE_TLS_REJECT_UNAUTHORIZED: before } = process.env
  t.teardown(() => {
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
    if (before !== undefined) process.env.NODE_TLS_REJECT_UNAUTHORIZED = before
  })
  is(t, 'certificates', {}, 'ok')
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  is(t, 'certificates', {}, 'error', /takes any server for Clover/)
})

t.test('keep-alive: on, off, or impossible', async t => {
  const { list: _, ...withoutList } = memoryStorage()
  is(t, 'keep-alive', {}, 'ok', /every 3600 seconds/)
  is(t, 'keep-alive', { keepAlive: false }, 'warning', /off in this process/)
  is(t, 'keep-alive', { storage: withoutList }, 'warning', /has no list/)
  is(t, 'keep-alive', { storage: withoutList, keepAlive: false }, 'warning', /off in this process/)
  is(t, 'keep-alive', { storage: withoutList, flow: 'v1' }, 'ok', /v1/)
  is(t, 'keep-alive', { keepAlive: false, flow: 'v1' }, 'ok', /v1/)
})

t.test('the webhook route and its code', async t => {
  const refresh = false
  is(t, 'webhook-auth', {}, 'not-checked', /off/)
  is(t, 'webhook-auth', { routes: { refresh, webhook: { auth: undefined } } }, 'warning', /auth is not set/)
  is(t, 'webhook-auth', { routes: { refresh, webhook: { auth: '2f1c7a90-5b3e-4d28-9c61-8e0fa4b7d352' } } }, 'ok')
})

t.test('every environment of Clover\'s own with good options is in order', async t => {
  for (const environment of Object.keys(environments)) {
    const options = resolveOptions(optionsWith({ environment, cookieSecret: good }))
    t.same([...optionFindings({ options })].filter(({ status }) => status === 'warning' || status === 'error'), [], environment)
  }
})
