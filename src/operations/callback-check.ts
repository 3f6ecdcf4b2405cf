import { isSame, nobody, pathFix, redirectOf, described, unusable } from './answers.js'
import { found, ok, type Finding } from './finding.js'
import type { PublicContext } from './context.js'

/**
 * @internal The callback route, visited without a code and without a cookie.
 *
 * The plugin answers such a visit with a redirect to the same address and a new state, by which it sees whether the browser keeps cookies. The visit names
 * a merchant: if the proxy drops the query, the plugin answers otherwise. No code is sent, so nothing can be exchanged. In the implicit flow, the answer
 * is a page.
 */
export async function callbackFinding ({ app: { implicit }, reach }: PublicContext, url: string): Promise<Finding> {
  const reply = await reach(`${url}?merchant_id=${nobody}`, { headers: { accept: 'text/html' } })
  const reason = unusable(reply)
  if (reason !== undefined || 'trouble' in reply) return found('callback', 'not-checked', `${url} cannot be looked at: ${reason}.`)
  const to = redirectOf(reply)
  const isOwn = implicit ? reply.status === 200 && /\bno-store\b/.test(reply.headers.get('cache-control') ?? '') : to !== undefined && isSame(to, new URL(url)) && to.searchParams.has('state')
  if (isOwn) return ok('callback', `${url} answers as the plugin does.`)
  if (reply.status === 400) return found('callback', 'error', `${url} answers with status 400: the query did not arrive, or another program answers.`, 'Have the proxy leave the query as it is.')
  const fix = reply.status === 401 || reply.status === 403 ? 'Let everybody reach the callback route: merchants come to it from Clover, without a session.' : pathFix
  return found('callback', 'error', `${url} answers with ${described(reply)}, and not as the plugin does: merchants who come back from Clover cannot be connected.`, fix)
}
