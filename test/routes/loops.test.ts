import type { LightMyRequestResponse } from 'fastify'
import t from 'tap'
import { deriveStateKeys } from '../../src/routes/keys.js'
import type { CloverSimulator } from '../../src/testing/index.js'
import { approve, authorizeRequest, Browser, callbackUrl, isCookieTest, startOver, type Visited } from '../harness/browser.js'
import { cookieSecret, events, highTrust, merchantA, startHost } from '../harness/host.js'
import { startRoutes } from './fake-connections.js'

/*
 * Redirects without a click must end with a page that says what to do. Repeated clicks are not a loop.
 */

const json = { headers: { accept: 'application/json' } }

/** Sends a browser with a code of the old flow, as Clover does if the app has no Alternate Launch Path. */
const oldFlow = (clover: CloverSimulator) => `/clover/callback?${new URLSearchParams({ ...clover.authorize({ merchantId: merchantA, legacy: true }) })}`

/** The parts of a request that are lost. */
interface Losses {
  /** Clover does not send the state back. */
  state?: boolean
  /** A proxy drops the query. */
  query?: boolean
}

/**
 * Follows redirects without a click, as for a merchant who is logged in at Clover and has approved. Resolves with the first reply that does not
 * redirect to Clover or to the callback, and with the number of passes through Clover.
 */
async function goOn (browser: Browser, reply: LightMyRequestResponse, losses: Losses = {}): Promise<{ reply: LightMyRequestResponse, passes: number }> {
  for (let passes = 0; ;) {
    const { location } = reply.headers
    if (reply.statusCode !== 302 || location === undefined || location.startsWith('/')) return { reply, passes }
    const address = isCookieTest(reply)
      ? location
      : callbackUrl(reply, { code: 'a-code', merchant_id: merchantA, ...(losses.state && { state: undefined }) })
    if (!isCookieTest(reply)) passes++
    if (passes > 20) throw new Error('it goes round without end')
    reply = await browser.visit(losses.query ? String(address.split('?')[0]) : address)
  }
}

t.test('a merchant who leaves Clover\'s approval page and opens the app again is sent there again, though Clover sends codes of the old flow', async t => {
  const { clover, browser } = await startHost(t)
  const merchant = browser()
  const approval = await startOver(merchant, oldFlow(clover))
  t.equal(authorizeRequest(approval).searchParams.get('merchant_id'), merchantA)
  for (let again = 1; again <= 3; again++) authorizeRequest(await merchant.visit(oldFlow(clover)))
  t.equal(clover.calls.length, 0, 'no code of the old flow is exchanged (security 3)')
  const last = await merchant.visit(approve(clover, approval))
  t.equal(last.headers.location, '/', 'and the first page can still be finished')
})

t.test('a callback with an unknown state is sent to Clover each time that a person opens it', async t => {
  const { clover, browser } = await startHost(t)
  const merchant = browser()
  for (let visit = 1; visit <= 4; visit++) authorizeRequest(await startOver(merchant, `/clover/callback?code=abc&state=xyz&merchant_id=${merchantA}`))
  t.equal(clover.calls.length, 0)
})

t.test('a finished callback resets the count of redirects, so clicks with codes of the old flow can follow in quick succession', async t => {
  const { clover, browser } = await startHost(t)
  const merchant = browser()
  for (let visit = 1; visit <= 10; visit++) {
    t.equal((await merchant.visit(approve(clover, await startOver(merchant, oldFlow(clover))))).headers.location, '/')
  }
})

t.test('a browser that keeps no cookies ends after one pass through Clover, with a page that says to allow them', async t => {
  const { clover, browser } = await startHost(t)
  const merchant = browser()
  merchant.blocksCookies = true
  const { reply, passes } = await goOn(merchant, await merchant.visit(`/clover/launch?merchant_id=${merchantA}`))
  t.equal(passes, 1)
  t.equal(reply.statusCode, 400)
  t.match(reply.body, /allow cookies for this site/)
  t.match(reply.body, 'FST_CLOVER_STATE')
  t.match(reply.body, 'href="/clover/launch"')
  t.equal(clover.calls.length, 0)
})

t.test('a browser that keeps no cookies and comes with a code of the old flow, or without its state, is not sent to Clover at all', async t => {
  const { clover, browser } = await startHost(t)
  for (const address of [oldFlow(clover), `/clover/callback?code=abc&state=xyz&merchant_id=${merchantA}`, '/clover/callback?code=abc']) {
    const merchant = browser()
    merchant.blocksCookies = true
    const { reply, passes } = await goOn(merchant, await merchant.visit(address, json))
    t.match([passes, reply.statusCode], [0, 400], address)
    t.match(reply.body, /allow cookies/)
  }
})

t.test('once cookies are allowed, the page can be loaded again half a minute later', async t => {
  const { browser, time } = await startHost(t)
  const merchant = browser()
  merchant.blocksCookies = true
  const test = await merchant.visit(`/clover/callback?code=abc&merchant_id=${merchantA}`)
  t.ok(isCookieTest(test))
  const address = String(test.headers.location)
  t.match((await merchant.visit(address)).body, /allow cookies/)
  merchant.blocksCookies = false
  time.pass(29_000)
  t.match((await merchant.visit(address)).body, /allow cookies/)
  time.pass(1_000)
  authorizeRequest(await startOver(merchant, address))
})

t.test('if Clover does not return the state, the redirects end after five passes, with a page that says to wait', async t => {
  const { clover, browser, time } = await startHost(t)
  const merchant = browser()
  const { reply, passes } = await goOn(merchant, await merchant.visit(`/clover/launch?merchant_id=${merchantA}`), { state: true })
  t.equal(passes, 5)
  t.equal(reply.statusCode, 400)
  t.match(reply.body, /several times without success: wait half a minute, and open the app from Clover again/)
  t.match(reply.body, 'href="/clover/launch"')
  t.notMatch(reply.body, /allow cookies/, 'the browser does keep cookies')
  t.equal(clover.calls.length, 0)
  t.ok((await merchant.stateCookies()).length <= 5)

  t.equal((await merchant.visit(oldFlow(clover))).statusCode, 400, 'at once it is still a row')
  time.pass(30_000)
  authorizeRequest(await merchant.visit(oldFlow(clover)))
})

t.test('slow redirects count too, if each follows the last within half a minute', async t => {
  const { clover, browser, time } = await startHost(t)
  const merchant = browser()
  await merchant.visit('/clover/launch')
  for (let pass = 1; pass <= 4; pass++) {
    time.pass(29_000)
    authorizeRequest(await merchant.visit(oldFlow(clover)))
  }
  time.pass(29_000)
  t.equal((await merchant.visit(oldFlow(clover))).statusCode, 400)
})

t.test('a launch resets the count of redirects', async t => {
  const { clover, browser, time } = await startHost(t)
  const merchant = browser()
  await goOn(merchant, await merchant.visit('/clover/launch'), { state: true })
  time.pass(1_000)
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)
  authorizeRequest(await merchant.visit(oldFlow(clover)))
  t.equal((await merchant.visit(approve(clover, launch))).headers.location, '/')
})

t.test('if a proxy drops queries, cookies or both, or Clover drops the state too, the redirects end with a page', async t => {
  const { clover, browser } = await startHost(t)
  for (const blocksCookies of [false, true]) {
    for (const query of [false, true]) {
      for (const state of [false, true]) {
        for (const start of ['/clover/launch', oldFlow(clover)]) {
          if (!blocksCookies && !query && !state) continue
          const name = `${start.slice(0, 16)}, ${JSON.stringify({ blocksCookies, query, state })}`
          const merchant = browser()
          merchant.blocksCookies = blocksCookies
          const { reply, passes } = await goOn(merchant, await merchant.visit(query ? String(start.split('?')[0]) : start), { query, state })
          t.equal(reply.statusCode, 400, name)
          t.match(reply.body, 'FST_CLOVER_STATE', name)
          t.ok(passes <= (blocksCookies ? 1 : 5), `${name}: ${passes} passes`)
        }
      }
    }
  }
  t.equal(clover.calls.length, 0)
})

t.test('a callback without any parameter is an error that says what is missing, not a redirect', async t => {
  const { browser } = await startHost(t)
  const reply = await browser().visit('/clover/callback')
  t.equal(reply.statusCode, 400)
  t.match(reply.body, /The address lacks the parameters that Clover adds: open the app from Clover again/)
})

t.test('servers behind one address with different cookie secrets do not redirect a browser endlessly, and the log has the reason', async t => {
  const secrets = [cookieSecret, 'another-cookie-secret-0123456789abcdef']
  const servers = await Promise.all(secrets.map(secret => startRoutes(t, { secret, connect: async () => ({ isNew: true }) })))
  let ends = 0
  // Which server answers the first request, the second, and so on.
  for (const pattern of ['01', '10', '011', '001', '0110', '00011', '0101100']) {
    let request = 0
    const either: Visited = { inject: options => servers[Number(pattern[request++ % pattern.length])]?.app.inject(options) ?? Promise.reject(new Error('no server')) }
    const merchant = new Browser(either)
    const { reply, passes } = await goOn(merchant, await merchant.visit('/clover/launch'))
    if (reply.headers.location !== '/') {
      t.equal(reply.statusCode, 400, pattern)
      ends++
    }
    t.ok(passes <= 5, `${pattern}: ${passes} passes`)
    t.ok((await merchant.stateCookies()).length <= 5)
  }
  t.ok(ends > 0)
  t.ok(servers.some(({ refusals }) => refusals.includes('the state was signed with another cookieSecret')))
})

t.test('a callback that failed at another server can be started again in any round', async t => {
  const first = await startHost(t)
  const second = await startHost(t, { simulator: first.clover })
  const { clover } = first
  let server: Visited = first.app
  const merchant = new Browser({ inject: options => server.inject(options) })
  const approval = await startOver(merchant, oldFlow(clover))
  const callback = approve(clover, approval)
  clover.fault({ on: 'token', kind: 'status', status: 503 })
  t.equal((await merchant.visit(callback)).statusCode, 503)
  server = second.app
  t.equal((await merchant.visit(approve(clover, await startOver(merchant, callback)))).headers.location, '/')
})

t.test('a forged state can only cause an error page (security 3)', async t => {
  const { clover, browser, logs } = await startHost(t)
  const forged = (round: number, redirects: number) => `${'ab'.repeat(16)}.${round}.${redirects}.${Math.floor(Date.now() / 1000) + 3600}.${'A'.repeat(43)}`
  for (const [round, redirects, message] of [[0, 4, /several times without success/], [0, 99, /several times/], [1, 0, /allow cookies/]] as const) {
    const reply = await browser().visit(`/clover/callback?code=abc&merchant_id=${merchantA}&state=${forged(round, redirects)}`)
    t.equal(reply.statusCode, 400)
    t.match(reply.body, message)
  }
  for (const round of [0, 2, 3]) t.ok(isCookieTest(await browser().visit(`/clover/callback?code=abc&merchant_id=${merchantA}&state=${forged(round, 3)}`)))
  t.equal(clover.calls.length, 0)
  t.ok(events(logs).every(({ event, reason }) => event === 'state-refused' && reason === 'the state was signed with another cookieSecret'))
})

/** A state and its cookie as the first edition made them: without a count of redirects, and the state without a time. */
function firstEdition (round: number, id = 'cd'.repeat(16)) {
  const keys = deriveStateKeys(cookieSecret, highTrust, 'simulator')
  const state = keys.state.sign(`${id}.${round}`).replaceAll('+', '-').replaceAll('/', '_')
  const cookie = keys.cookie.sign([id, round, Math.floor(Date.now() / 1000), merchantA, Buffer.from('/orders').toString('base64url')].join('.'))
  return { state, cookie, nameEnd: id.slice(0, 8) }
}

t.test('in a rolling deployment the states and cookies of the first edition work, and count', async t => {
  const { clover, browser } = await startHost(t)
  const merchant = browser()
  await merchant.visit('/clover/launch')
  const prefix = (await merchant.stateCookies())[0]?.slice(0, -8) ?? ''
  const send = (round: number, withCookie: boolean) => {
    const { state, cookie, nameEnd } = firstEdition(round)
    const { code } = clover.authorize({ merchantId: merchantA })
    return browser().visit(`/clover/callback?${new URLSearchParams({ code, state, merchant_id: merchantA })}`, { headers: { cookie: withCookie ? `${prefix}${nameEnd}=${cookie}` : '' } })
  }
  t.equal((await send(0, true)).headers.location, '/orders')
  t.ok(isCookieTest(await send(0, false)))
  t.ok(isCookieTest(await send(2, false)))
  t.match((await send(1, false)).body, /allow cookies/)
  const { searchParams } = authorizeRequest(await browser().visit(oldFlow(clover), { headers: { cookie: `${prefix}${'cd'.repeat(4)}=${firstEdition(2).cookie}` } }))
  t.equal(searchParams.get('state')?.split('.')[2], '2', 'the first edition\'s second pass was one redirect')
})

t.test('in a rolling deployment the first edition finds its fields in their places', async t => {
  const { browser } = await startHost(t)
  const merchant = browser()
  const launch = await merchant.visit(`/clover/launch?merchant_id=${merchantA}&return_to=/orders`)
  const [id, round] = String(authorizeRequest(launch).searchParams.get('state')).split('.')
  const [cookieId, cookieRound, issued, merchantId, returnTo = ''] = String(merchant.cookieValues[0]).split('.')
  t.same([id, round], [cookieId, '0'])
  t.same([cookieRound, merchantId, Buffer.from(returnTo, 'base64url').toString()], ['0', merchantA, '/orders'])
  t.ok(Number(issued) > 1.7e9)
})
