import t from 'tap'
import { Round, States, type Attempt } from '../../src/routes/state.js'
import { realRuntime } from '../../src/runtime.js'

/*
 * States and their cookies by themselves: until when they count, and how many a browser keeps.
 */

const begin = 1_800_000_000_000
const attempt: Attempt = { round: Round.first, redirects: 0 }

/** States of one app, and their time in seconds since the first. */
function states ({ secrets = ['a-cookie-secret'], secure = true } = {}) {
  const time = { seconds: 0 }
  const all = new States({ secrets, appId: 'APP', environment: 'sandbox', secure, wallClock: () => begin + time.seconds * 1000, random: realRuntime.random })
  /** A state, and its cookie as a browser sends it. */
  const mint = (more: Partial<Attempt> = {}, cookies?: string) => {
    const { state, setCookies } = all.mint({ ...attempt, ...more }, cookies)
    return { state, setCookies, cookie: String(setCookies.at(-1)?.split(';')[0]) }
  }
  return { all, time, mint }
}

t.test('a state works from ten minutes before its time, as clocks differ, to ten minutes after', async t => {
  const { all, time, mint } = states()
  const { state, cookie } = mint()
  for (const [seconds, isOpen] of [[-600.001, false], [-600, true], [0, true], [600, true], [600.001, false]] as const) {
    time.seconds = seconds
    t.equal(all.open(state, cookie) !== undefined, isOpen, String(seconds))
  }
})

t.test('a state brings back what the launch was for, and nothing that it was not for', async t => {
  const { all, mint } = states()
  const bare = mint()
  t.same(Object.keys(all.open(bare.state, bare.cookie) ?? {}).sort(), ['id', 'redirects', 'round', 'verifier'])
  const whole = mint({ round: Round.full, redirects: 2, merchantId: 'MERCHANT00001', returnTo: '/orders?a=b.c' })
  t.match(all.open(whole.state, `${bare.cookie}; ${whole.cookie}`), { round: Round.full, redirects: 2, merchantId: 'MERCHANT00001', returnTo: '/orders?a=b.c' })
  t.equal(all.open(whole.state, bare.cookie), undefined)
  t.equal(all.open(whole.state, undefined), undefined)
  t.equal(all.open(undefined, whole.cookie), undefined)
  t.equal(all.roundOf(whole.state), Round.full, 'whichever browser it is for')
  t.equal(all.roundOf(undefined), undefined)
  t.equal(all.roundOf(`${whole.state}x`), undefined)
})

t.test('a cookie lives for ten minutes, and is this host\'s alone where it is served over https', async t => {
  for (const secure of [true, false]) {
    const { all, mint } = states({ secure })
    const { state, setCookies, cookie } = mint()
    const rest = `Path=/; ${secure ? 'HttpOnly; Secure' : 'HttpOnly'}; SameSite=Lax`
    t.same(setCookies, [`${cookie}; Max-Age=600; ${rest}`])
    t.match(cookie, secure ? /^__Host-clover-[0-9a-f]{8}-[0-9a-f]{8}=/ : /^clover-/)
    const own = all.open(state, cookie)
    t.equal(own && all.clear(own), `${cookie.split('=')[0]}=; Max-Age=0; ${rest.replace('Path=/;', 'Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT;')}`)
  }
})

t.test('a browser keeps five states, the newest, and at most twelve cookies are ended at once', async t => {
  const { time, mint } = states()
  const cookies: string[] = []
  for (time.seconds = 0; time.seconds < 6; time.seconds++) cookies.push(mint().cookie)
  const nameOf = (text?: string) => text?.split('=')[0]
  const header = (count: number) => cookies.slice(0, count).reverse().join('; ')
  t.equal(mint({}, header(4)).setCookies.length, 1)
  t.same(mint({}, header(5)).setCookies.slice(0, -1).map(nameOf), [nameOf(cookies[0])])
  t.same(mint({}, header(6)).setCookies.slice(0, -1).map(nameOf), [nameOf(cookies[0]), nameOf(cookies[1])])
  const prefix = String(nameOf(cookies[0])).slice(0, -8)
  const planted = Array.from({ length: 20 }, (_, i) => `${prefix}0000${i + 1000}=x`)
  const { setCookies } = mint({}, ['other=y', `${prefix}no-name=x`, ...planted].join('; '))
  t.same(setCookies.slice(0, -1).map(nameOf), planted.slice(0, 12).map(nameOf), 'and no cookie that was not made here')
  t.match(setCookies[0], /; Max-Age=0;/)
})

t.test('a redirect counts as one of a row for half a minute, and only the newest cookie is asked', async t => {
  const { all, time, mint } = states()
  const older = mint({ redirects: 4 })
  time.seconds = 1
  const newer = mint({ redirects: 2 })
  const both = `${older.cookie}; ${newer.cookie}`
  t.match(all.trace('no-state', both), { keepsCookies: true, redirects: 2 })
  time.seconds = 30.999
  t.equal(all.trace('no-state', both).redirects, 2)
  time.seconds = 31
  t.equal(all.trace('no-state', both).redirects, 0)
  t.equal(all.trace(newer.state, undefined).redirects, 0)
  time.seconds = 30.999
  t.equal(all.trace(newer.state, undefined).redirects, 2, 'the state says so too')
  t.equal(all.trace(undefined, undefined).redirects, 0)
})

t.test('a browser that was asked for cookies and sends none has failed the test; the reason says what was wrong with the state', async t => {
  const { all, mint } = states()
  const asking = mint({ round: Round.cookieTest })
  t.same(all.trace(asking.state, undefined), { keepsCookies: false, failedCookieTest: true, redirects: 0, reason: 'the state is not this browser\'s, is too old, or was used' })
  t.match(all.trace(asking.state, mint().cookie), { keepsCookies: true, failedCookieTest: false })
  t.match(all.trace(mint().state, undefined), { keepsCookies: false, failedCookieTest: false })
  t.match(all.trace(undefined, undefined), { failedCookieTest: false, reason: 'no state' })
  const foreign = states({ secrets: ['another-secret'] }).mint({ round: Round.cookieTest, redirects: 3 })
  t.match(all.trace(foreign.state, undefined), { failedCookieTest: true, redirects: 3, reason: 'the state was signed with another cookieSecret' })
  t.match(all.trace('made-up', undefined), { redirects: 0, reason: /not this browser's/ })
})

t.test('a state needs a secret, and is opened with each of them', async t => {
  t.throws(() => states({ secrets: [] }).mint(), { message: 'a state needs a cookie secret' })
  const { state, cookie } = states({ secrets: ['old'] }).mint()
  t.ok(states({ secrets: ['new', 'old'] }).all.open(state, cookie))
  t.equal(states({ secrets: ['new'] }).all.open(state, cookie), undefined)
})
