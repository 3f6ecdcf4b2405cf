import { codeOf, isSame, nobody, pathFix, redirectOf, described, unusable } from './answers.js'
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
 * Any other answer than a plain refusal proves nothing: it may be that of a guard that hides the route, or of an error handler that answers all errors alike.
 *
 * @param isPathRight another route answers below the same address as this plugin does. Without it, the answer may come from elsewhere
 */
export async function refreshGuard ({ urls, reach }: PublicContext, url: string, isPathRight: boolean): Promise<Finding> {
  const reply = await reach(url, post({ merchant_id: nobody }))
  const reason = unusable(reply)
  if (reason !== undefined || 'trouble' in reply) return found('refresh-guard', 'not-checked', `${url} cannot be looked at: ${reason}.`)
  const { status } = reply
  if (isThrough(reply, urls.launch)) {
    return found('refresh-guard', 'error', `${url} lets a stranger through (${described(reply)}): anybody can have tokens refreshed.`, 'Guard it: give routes.refresh an onRequest hook that refuses strangers, or set routes.refresh to false.')
  }
  if (status === 401 || status === 403 || redirectOf(reply) !== undefined) return ok('refresh-guard', `${url} refuses a stranger (${described(reply)}).`)
  if (!isPathRight) return found('refresh-guard', 'not-checked', `${url} answers with ${described(reply)}, which need not come from this plugin: whether the route is guarded cannot be seen.`, pathFix)
  return found('refresh-guard', 'warning', `${url} answers a stranger with status ${status}, as a guard or an error handler may: whether the route is guarded cannot be seen.`,
    'Guard it with an onRequest hook that answers strangers with 401 or 403. For a status of 500 or more, look in the server\'s log.')
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
    : found('webhook', 'error', `${url} answers with ${described(reply)}, and not as the plugin does: Clover's events do not arrive.`, pathFix)
}
