import type { CheckName } from './checks.js'
import { callbackFinding } from './callback-check.js'
import type { PublicContext } from './context.js'
import { found, ok, type Finding } from './finding.js'
import { refreshGuard, webhookRoute } from './guard-checks.js'
import { launchFindings } from './launch-checks.js'
import type { NoReply, Reply, Trouble } from './reach.js'

/** Statuses with which a proxy says that the app behind it does not answer. */
const appIsDown = [502, 503, 504]

/** Troubles that are there whether or not the app runs. */
const isWrong: readonly Trouble[] = ['unresolved', 'certificate', 'tls']

const fixes: Record<Trouble, string> = {
  unresolved: 'Check baseUrl, and the DNS record of its name.',
  certificate: 'Renew the certificate, or have the server send the whole chain. If only this process does not trust it, see NODE_EXTRA_CA_CERTS.',
  tls: 'Check baseUrl, and that the proxy ends TLS at this port.',
  refused: 'If the app should be running, check baseUrl, the proxy and the firewall. Otherwise start it, and run this again.',
  late: 'If browsers reach the app, run this from a machine outside: some networks do not let a server reach its own public address.',
  broken: 'If browsers reach the app, run this from a machine outside: some networks do not let a server reach its own public address.'
}

/**
 * @internal The public addresses of the routes, asked from outside: through DNS, the proxy and whatever else stands before the servers that run now,
 * which need not include this process.
 *
 * An address that does not answer is `not-checked` and no error, since this may run before the app is started, or on a machine that its network does not
 * let reach its own public address: neither has to be fixed, and an exit code would stop a deployment for nothing. A name that does not resolve, a
 * certificate that does not fit and a server without TLS are errors: they are wrong whether or not the app runs.
 *
 * The probes change nothing: launches that nobody follows, a callback without a code, a refresh of a merchant who does not exist, an empty webhook.
 * The servers may log them, as `state-refused` and `webhook-refused`.
 */
export async function * publicFindings (context: PublicContext): AsyncGenerator<Finding, void, undefined> {
  const { urls, reach, options: { baseUrl, routes } } = context
  const first = Object.values(urls).find(url => url !== undefined)
  if (first === undefined) {
    yield found('public-address', 'not-checked', baseUrl === '' && Object.values(routes).some(Boolean) ? 'There is no baseUrl, so the public addresses are not known.' : 'This registration has no routes.')
    return
  }
  // A GET does nothing on the routes that take a POST.
  const answer = await reach(first)
  const address = publicAddress(baseUrl, answer)
  yield address
  if ('trouble' in answer || address.status !== 'ok') {
    const unseen: CheckName[] = [
      ...urls.launch === undefined ? [] : ['launch', 'launch-cookie', 'launch-cache'] as const,
      ...urls.callback === undefined ? [] : ['callback'] as const,
      ...urls.refresh === undefined ? [] : ['refresh-guard'] as const,
      ...urls.webhook === undefined ? [] : ['webhook'] as const
    ]
    for (const check of unseen) yield found(check, 'not-checked', 'The public address does not answer.')
    return
  }
  const browserFindings = [
    ...urls.launch === undefined ? [] : await launchFindings(context, urls.launch),
    ...urls.callback === undefined ? [] : [await callbackFinding(context, urls.callback)]
  ]
  yield * browserFindings
  const isPathRight = browserFindings.some(({ check, status }) => (check === 'launch' || check === 'callback') && status === 'ok')
  if (urls.refresh !== undefined) yield await refreshGuard(context, urls.refresh, isPathRight)
  if (urls.webhook !== undefined) yield await webhookRoute(context, urls.webhook)
}

function publicAddress (baseUrl: string, answer: Reply | NoReply): Finding {
  if ('trouble' in answer) {
    return found('public-address', isWrong.includes(answer.trouble) ? 'error' : 'not-checked', `${baseUrl} does not answer: ${answer.what}.`, fixes[answer.trouble])
  }
  if (appIsDown.includes(answer.status)) {
    return found('public-address', 'not-checked', `At ${baseUrl} a proxy answers with status ${answer.status}: it does not reach the app.`, 'If the app should be running, check where the proxy looks for it. Otherwise start it, and run this again.')
  }
  return ok('public-address', `${baseUrl} answers.`)
}
