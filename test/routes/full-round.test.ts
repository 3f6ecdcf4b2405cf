import t from 'tap'
import { challengeOf } from '../../src/clover/authorize.js'
import { unavailable } from '../../src/errors.js'
import type { CloverConnection } from '../../src/options/options.js'
import { authorizeRequest, callbackUrl } from '../harness/browser.js'
import { merchantA, merchantB } from '../harness/host.js'
import { startRoutes } from './fake-connections.js'

/*
 * A merchant has authorized, but the stored tokens no longer work: the browser goes through Clover once more, and that code is exchanged for a token
 * pair. The connections are fake here; test/flows/dead-pair.test.ts has real ones.
 */

const code = (name: string) => ({ code: `a-code-${name}`, merchant_id: merchantA })

t.test('a dead pair sends the browser to Clover once more, with a new state; the second code is exchanged in full and the merchant arrives', async t => {
  const connections: CloverConnection[] = []
  const { calls, browser } = await startRoutes(t, {
    connect: async ({ isFullRound }) => isFullRound ? { isNew: false } : 'needs-full-round',
    onConnect: (_request, _reply, connection) => { connections.push(connection) }
  })
  const merchant = browser()
  const launch = await merchant.visit('/clover/launch?return_to=/orders')
  const full = await merchant.visit(callbackUrl(launch, { ...code('one'), employee_id: 'EMPLOYEE00001' }))
  t.match(full.headers, { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
  const [first, second] = [authorizeRequest(launch).searchParams, authorizeRequest(full).searchParams]
  t.equal(second.get('merchant_id'), merchantA, 'Clover need not ask for the merchant, who has just been confirmed')
  t.not(second.get('state'), first.get('state'))
  t.not(second.get('code_challenge'), first.get('code_challenge'), 'with a verifier of its own')
  t.equal((await merchant.stateCookies()).length, 1, 'the first state\'s cookie is gone')
  t.same(connections, [])
  const done = await merchant.visit(callbackUrl(full, { ...code('two'), employee_id: 'EMPLOYEE00001' }))
  t.match([done.statusCode, done.headers.location], [302, '/orders'])
  t.same(connections, [{ merchantId: merchantA, employeeId: 'EMPLOYEE00001', isNew: false }], 'onConnect is called once')
  t.same(calls.map(({ merchantId, code, isFullRound }) => [merchantId, code, isFullRound]), [[merchantA, 'a-code-one', false], [merchantA, 'a-code-two', true]])
  t.same(calls.map(({ verifier }) => challengeOf(verifier)), [first.get('code_challenge'), second.get('code_challenge')])
  t.same(await merchant.stateCookies(), [])
})

t.test('without its cookie the state of a full round causes no full exchange, neither in another browser nor a second time', async t => {
  const { calls, browser } = await startRoutes(t, { connect: async ({ isFullRound }) => isFullRound ? { isNew: false } : 'needs-full-round' })
  const [merchant, stranger] = [browser(), browser()]
  const full = await merchant.visit(callbackUrl(await merchant.visit('/clover/launch'), code('one')))
  const callback = callbackUrl(full, code('two'))
  await stranger.visit(callback)
  const own = await stranger.visit('/clover/launch')
  await stranger.visit(callback)
  const forged = new URL(callbackUrl(own, code('three')))
  forged.searchParams.set('state', String(forged.searchParams.get('state')).replace('.0.', '.3.'))
  await stranger.visit(forged.href)
  t.same(calls.map(({ isFullRound }) => isFullRound), [false], 'and a round cannot be written into a state')
  t.equal((await merchant.visit(callback)).headers.location, '/')
  await merchant.visit(callback)
  t.same(calls.map(({ isFullRound }) => isFullRound), [false, true])
})

t.test('the full round cannot connect another merchant', async t => {
  const { calls, browser } = await startRoutes(t, { connect: async () => 'needs-full-round' })
  const merchant = browser()
  const full = await merchant.visit(callbackUrl(await merchant.visit('/clover/launch'), code('one')))
  const reply = await merchant.visit(callbackUrl(full, { code: 'a-code-two', merchant_id: merchantB }))
  t.equal(reply.statusCode, 403)
  t.match(reply.body, 'FST_CLOVER_MERCHANT_MISMATCH')
  t.equal(calls.length, 1)
})

t.test('a reload while a callback finds the pair dead shares its exchange, and each request has a full round of its own', async t => {
  const connections: CloverConnection[] = []
  let release = () => {}
  const released = new Promise<void>(resolve => { release = resolve })
  const { calls, browser } = await startRoutes(t, {
    connect: async ({ isFullRound }) => {
      await released
      return isFullRound ? { isNew: false } : 'needs-full-round'
    },
    onConnect: (_request, _reply, connection) => { connections.push(connection) }
  })
  const merchant = browser()
  const callback = callbackUrl(await merchant.visit('/clover/launch?return_to=/orders'), code('one'))
  const [one, two] = [merchant.visit(callback), merchant.visit(callback)]
  await new Promise(resolve => setImmediate(resolve))
  release()
  const replies = await Promise.all([one, two])
  t.equal(calls.length, 1)
  const states = replies.map(reply => authorizeRequest(reply).searchParams.get('state'))
  t.equal(new Set(states).size, 2)
  t.equal((await merchant.stateCookies()).length, 2)
  // A browser follows the one or the other: both end.
  for (const reply of replies) t.equal((await merchant.visit(callbackUrl(reply, code('two')))).headers.location, '/orders')
  t.same(calls.map(({ isFullRound }) => isFullRound), [false, true, true])
  t.equal(connections.length, 2, 'once for each request that arrives')
  t.same(await merchant.stateCookies(), [])
})

t.test('a full round that fails can start again, like any callback', async t => {
  let isDown = true
  const { calls, browser } = await startRoutes(t, {
    connect: async ({ isFullRound }) => {
      if (!isFullRound) return 'needs-full-round'
      if (isDown) throw unavailable('Clover is down')
      return { isNew: false }
    }
  })
  const merchant = browser()
  const full = await merchant.visit(callbackUrl(await merchant.visit('/clover/launch'), code('one')))
  t.equal((await merchant.visit(callbackUrl(full, code('two')))).statusCode, 503)
  isDown = false
  const again = await merchant.visit(callbackUrl(await merchant.visit('/clover/launch'), code('three')))
  t.equal((await merchant.visit(callbackUrl(again, code('four')))).headers.location, '/')
  t.same(calls.map(({ isFullRound }) => isFullRound), [false, true, false, true])
})

t.test('full rounds of many tabs use at most five state cookies', async t => {
  const { browser } = await startRoutes(t, { connect: async () => 'needs-full-round' })
  const merchant = browser()
  for (let tab = 0; tab < 8; tab++) {
    await merchant.visit(callbackUrl(await merchant.visit('/clover/launch'), code(String(tab))))
    t.ok((await merchant.stateCookies()).length <= 5)
  }
})
