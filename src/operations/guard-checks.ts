import { codeOf, isSame, nobody, pathFix, redirectOf, told, unusable } from './answers.js'
import { found, ok, type Finding } from './finding.js'
import type { PublicContext } from './context.js'
import type { Reply } from './reach.js'

/** @internal A `POST` of JSON without any credentials. */
const post = (body: object) => ({ method: 'POST', headers: { 'content-type': 'application/json', accept: 'application/json' }, body: JSON.stringify(body) })

/**
 * @internal Whether the refresh route refuses a stranger.
 *
 * The request is a valid one for a merchant who does not exist. So it goes through every hook, also one that runs after the body was checked, and if none
 * refuses it the plugin looks for a record that is not there and answers `FST_CLOVER_NOT_CONNECTED`: nobody is refreshed, and Clover is not called.
 *
 * An answer that is neither a plain refusal nor that one may come from a guard that hides the route, or from an error handler of the host. A second request, whose body is wrong, tells them
 * apart: a guard treats both alike.
 */
export async function refreshGuard ({ urls, reach }: PublicContext, url: string): Promise<Finding> {
  const reply = await reach(url, post({ merchant_id: nobody }))
  const reason = unusable(reply)
  if (reason !== undefined || 'trouble' in reply) return found('refresh-guard', 'not-checked', `${url} cannot be looked at: ${reason}.`)
  const { status } = reply
  if (status === 401 || status === 403) return ok('refresh-guard', `${url} refuses a stranger (status ${status}).`)
  if (status >= 500) return found('refresh-guard', 'warning', `${url} answers a stranger with status ${status}, so that it cannot be seen whether it is guarded.`, 'Look in the server\'s log.')
  if (isThrough(reply, urls.launch)) {
    return found('refresh-guard', 'error', `${url} lets a stranger through (${told(reply)}): anybody can have tokens refreshed.`, 'Guard it: give routes.refresh an onRequest hook that refuses strangers, or set routes.refresh to false.')
  }
  const malformed = await reach(url, post({ merchant_id: nobody.toLowerCase() }))
  if (!('trouble' in malformed) && malformed.status === status) return ok('refresh-guard', `${url} refuses a stranger (${told(reply)}).`)
  return found('refresh-guard', 'warning', `${url} treats a stranger's right and wrong bodies differently, so a stranger's request comes as far as the check of its body; whether a guard follows cannot be seen.`,
    'Guard it with an onRequest hook, which runs before the body is read, and answer strangers with 401.')
}

/** Whether the request came to the plugin's handler. A host's error handler may send the launch address instead of the error. */
function isThrough (reply: Reply, launch: string | undefined): boolean {
  const to = redirectOf(reply)
  return reply.status < 300 || reply.status === 409 || codeOf(reply) === 'FST_CLOVER_NOT_CONNECTED' || (to !== undefined && launch !== undefined && isSame(to, new URL(launch)))
}

/**
 * @internal Whether the webhook route can be reached, and refuses events without Clover's code.
 *
 * The body is one of this app without any event, so nothing happens even if it is accepted. The Clover Auth Code is not sent.
 */
export async function webhookRoute ({ app: { appId }, reach }: PublicContext, url: string): Promise<Finding> {
  const reply = await reach(url, post({ appId, merchants: {} }))
  const reason = unusable(reply)
  if (reason !== undefined || 'trouble' in reply) return found('webhook', 'not-checked', `${url} cannot be looked at: ${reason}.`)
  const { status, headers } = reply
  if (status < 300) return found('webhook', 'error', `${url} takes events without Clover's code: anybody can disconnect merchants.`, `It is not the plugin that answers there, or something in front adds the code. ${pathFix}`)
  if (status === 403) {
    return found('webhook', 'warning', `${url} is closed to strangers by something before the plugin (status 403). Unless that lets Clover's own addresses through, no event arrives.`,
      'Let everybody reach the webhook route: the plugin itself refuses what is not Clover\'s.')
  }
  const asksForPassword = headers.has('www-authenticate')
  if (status === 401 && !asksForPassword) return ok('webhook', `${url} refuses events without Clover's code.`)
  return asksForPassword
    ? found('webhook', 'error', `${url} is closed to strangers by something before the plugin (status ${status}): Clover's events do not come through either.`, 'Let everybody reach the webhook route: the plugin itself refuses what is not Clover\'s.')
    : found('webhook', 'error', `${url} answers with ${told(reply)}, and not as the plugin does: Clover's events do not arrive.`, pathFix)
}
