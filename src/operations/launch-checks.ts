import { authorizeUrl } from '../clover/authorize.js'
import { isSame, pathFix, redirectOf, shown, described, unusable } from './answers.js'
import { found, ok, type Finding } from './finding.js'
import type { PublicContext } from './context.js'
import type { Reply } from './reach.js'

/** The name of a state cookie: see `States`, which makes it. */
const stateCookie = /^(?:__Host-)?clover-[0-9a-f]{8}-[0-9a-f]{8}=/

/**
 * @internal The launch route: its redirect to Clover, the flags of the state cookie, and whether a cache keeps its answers.
 *
 * Two launches are begun, as a browser without cookies does that follows no redirect.
 */
export async function launchFindings (context: PublicContext, url: string): Promise<Finding[]> {
  const replies = [await context.reach(url, asPage), await context.reach(url, asPage)] as const
  const [first, second] = replies
  const reason = unusable(first) ?? unusable(second)
  if (reason !== undefined) return (['launch', 'launch-cookie', 'launch-cache'] as const).map(check => found(check, 'not-checked', `${url} cannot be looked at: ${reason}.`))
  const answers = replies as readonly [Reply, Reply]
  const launch = redirect(context, url, answers[0])
  if (launch.status !== 'ok') return [launch, ...(['launch-cookie', 'launch-cache'] as const).map(check => found(check, 'not-checked', 'The launch route does not answer as it must.'))]
  return [launch, cookie(context, url, answers[0]), cache(url, answers)]
}

/** The headers of a browser that opens a page. */
const asPage = { headers: { accept: 'text/html' } }

function redirect ({ app, urls }: PublicContext, url: string, reply: Reply): Finding {
  const wrong = (message: string, fix: string) => found('launch', 'error', message, fix)
  const to = redirectOf(reply)
  // What the launch route of this registration would redirect to, but for the state.
  const expected = new URL(authorizeUrl(app, { redirectUri: String(urls.callback), state: '', verifier: '' }))
  if (to === undefined || !isSame(to, expected)) {
    const fix = reply.status === 401 || reply.status === 403 ? 'Let everybody reach the launch route: merchants have no session yet.' : pathFix
    return wrong(`${url} answers with ${described(reply)}, and not with a redirect to ${shown(expected)}.`, fix)
  }
  const [clientId, redirectUri] = ['client_id', 'redirect_uri'].map(name => to.searchParams.get(name))
  if (clientId !== app.appId) return wrong(`The server at ${url} launches another app than this registration's ${app.appId}.`, 'Check baseUrl, and where the proxy sends its requests. Two apps need addresses of their own.')
  if (redirectUri !== urls.callback) {
    const theirs = typeof redirectUri === 'string' && URL.canParse(redirectUri) ? shown(new URL(redirectUri)) : 'none'
    return wrong(`The server at ${url} sends merchants back to ${theirs}, and not to ${urls.callback}.`, `It runs with another baseUrl, prefix or routes than this process. ${pathFix}`)
  }
  if (!to.searchParams.has('state')) return wrong(`The redirect of ${url} has lost its state.`, 'Have the proxy leave the header Location as it is.')
  if (expected.searchParams.has('code_challenge') && !to.searchParams.has('code_challenge')) {
    return wrong(`The server at ${url} launches without PKCE, which a low-trust app needs.`, 'It runs with an App Secret, and this process with appSecret: false. Give all servers the same.')
  }
  return ok('launch', `${url} redirects to ${shown(to)}, and sends merchants back to ${urls.callback}.`)
}

/** The flags of RFC 6265bis, sections 4.1.2 and 4.1.3, as `States` sets them. */
function cookie ({ options: { baseUrl } }: PublicContext, url: string, { headers }: Reply): Finding {
  const line = headers.getSetCookie().find(text => stateCookie.test(text))
  if (line === undefined) return found('launch-cookie', 'error', `The answer of ${url} has no state cookie, so that no authorization can end well.`, 'Have the proxy leave the header Set-Cookie as it is.')
  const flags = line.split(';').slice(1).map(flag => flag.trim().toLowerCase())
  const isSecure = baseUrl.startsWith('https:')
  const needed = ['httponly', 'samesite=lax', 'path=/', ...isSecure ? ['secure'] : []]
  const problems = [
    ...needed.filter(flag => !flags.includes(flag)).map(flag => `has no ${names[flag]}`),
    ...flags.some(flag => flag.startsWith('domain=')) ? ['has a Domain, so that other hosts get it'] : [],
    ...isSecure && !line.startsWith('__Host-') ? ['is not named __Host-'] : []
  ]
  return problems.length === 0
    ? ok('launch-cookie', `The state cookie has ${needed.map(flag => names[flag]).join(', ')}.`)
    : found('launch-cookie', 'error', `The state cookie of ${url} ${problems.join(' and ')}.`, 'Have the proxy leave the header Set-Cookie as it is. If the servers run with another baseUrl than this process, give them the same.')
}

const names: Record<string, string> = { httponly: 'HttpOnly', 'samesite=lax': 'SameSite=Lax', 'path=/': 'Path=/', secure: 'Secure' }

function cache (url: string, [first, second]: readonly [Reply, Reply]): Finding {
  const stateOf = (reply: Reply) => redirectOf(reply)?.searchParams.get('state')
  const wrong = (message: string) => found('launch-cache', 'error', message, 'Exclude the plugin\'s routes from every cache, and have the proxy leave the header Cache-Control as it is.')
  if (stateOf(first) === stateOf(second)) return wrong(`${url} gave two visitors the same state: a cache keeps its answers.`)
  if (second.status !== first.status || isFromCache(second)) return wrong(`The answer of ${url} came from a cache.`)
  if (!/\bno-store\b/i.test(first.headers.get('cache-control') ?? '')) return wrong(`The answer of ${url} has lost its Cache-Control: no-store, so that a cache may keep it.`)
  return ok('launch-cache', 'No cache keeps launches.')
}

/** By the headers of RFC 9111, section 5.1, RFC 9211, and of caches that are older than the latter. `Age: 0` is no sign: some send it always. */
function isFromCache ({ headers }: Reply): boolean {
  const named = ['x-cache', 'cf-cache-status', 'x-cache-status', 'x-proxy-cache', 'cache-status'].map(name => headers.get(name) ?? '')
  return Number(headers.get('age')) > 0 || named.some(value => /\bhit\b/i.test(value))
}
