import { parseDate } from '../clover/clock.js'
import type { CheckName } from './checks.js'
import type { DiagnosisContext } from './context.js'
import { found, ok, type Finding } from './finding.js'
import type { NoReply, Reply, Trouble } from './reach.js'

/** Seconds by which this machine's clock may differ from Clover's: `good` is fine, and beyond `bad` launches begin to fail. */
const difference = { good: 30, bad: 300 }

type OriginName = 'api' | 'authorize' | 'legacy' | 'ecommerce'

const fixes: Record<Trouble, string> = {
  unresolved: 'Check the name in the option environment, and the name servers of this machine.',
  refused: 'Check the address in the option environment, and what stands between: a firewall, or a proxy for outgoing calls.',
  certificate: 'If something between opens TLS connections, give Node its certificate authority with NODE_EXTRA_CA_CERTS. Do not switch the checks off.',
  tls: 'Check the address in the option environment, and what stands between: a firewall, or a proxy for outgoing calls.',
  late: 'Check what stands between: a firewall, or a proxy for outgoing calls.',
  broken: 'Check what stands between: a firewall, or a proxy for outgoing calls.'
}

/**
 * @internal Whether this process reaches each origin of the environment, and whether its clock agrees with Clover's.
 *
 * Each origin gets a `GET` of its root without any token; an answer of any status below 500 is enough. Servers call `api`, and in the v1 flow `legacy`:
 * there a failure is an error. To `authorize` only browsers go, and `ecommerce` is for one method: a server behind a firewall may be in order without
 * them, so a failure is a warning.
 */
export async function * cloverFindings ({ options: { environment, flow }, reach }: Pick<DiagnosisContext, 'options' | 'reach'>): AsyncGenerator<Finding, void, undefined> {
  const replies = new Map<string, Promise<Reply | NoReply>>()
  /** Origins may be the same, as in the sandbox. */
  const ask = (origin: string) => {
    const reply = replies.get(origin) ?? reach(new URL('/', origin), { headers: { 'cache-control': 'no-cache' } })
    replies.set(origin, reply)
    return reply
  }
  const [used, unused]: OriginName[] = flow === 'v1' ? ['legacy', 'authorize'] : ['authorize', 'legacy']
  const severity = (name: OriginName) => name === 'api' || name === 'legacy' ? 'error' : 'warning'

  for (const name of ['api', 'authorize', 'legacy', 'ecommerce'] as const) {
    const check: CheckName = `clover-${name}`
    const origin = environment[name]
    if (origin === undefined) yield found(check, 'not-checked', `The environment ${environment.name} has no ${name} origin.`)
    else if (name === unused) yield found(check, 'not-checked', `Nothing is sent to ${origin}: the flow ${flow} uses the ${used} origin.`)
    else yield judgeOrigin(check, origin, await ask(origin), severity(name))
  }
  yield clock(environment.api, await ask(environment.api))
}

function judgeOrigin (check: CheckName, origin: string, reply: Reply | NoReply, severity: 'warning' | 'error'): Finding {
  const who = check === 'clover-authorize' ? ' Merchants\' browsers go there, this server does not.' : ''
  if ('trouble' in reply) return found(check, severity, `${origin} cannot be reached: ${reply.what}.${who}`, fixes[reply.trouble])
  if (reply.status >= 500) return found(check, 'warning', `${origin} answers with status ${reply.status}.${who}`, 'Try again. If it lasts, look at Clover\'s status page.')
  return ok(check, `${origin} answers.`)
}

/**
 * Compares this machine's clock with the `Date` of an answer (RFC 9110, section 6.6.1), and says only what is certain: the time that the answer took
 * on its way, and the second to which the header is cut, count as no difference.
 *
 * A launch is valid for ten minutes by the clock of the server that made it, so a server that is five minutes off may refuse launches of another.
 */
function clock (origin: string, reply: Reply | NoReply): Finding {
  const date = 'trouble' in reply ? NaN : parseDate(reply.headers.get('date'))
  if ('trouble' in reply || Number.isNaN(date)) return found('clock', 'not-checked', `${origin} gave no Date to compare with.`)
  // A cache keeps the Date, and says how many seconds ago that was.
  const earliest = date + 1000 * (Number(reply.headers.get('age')) || 0)
  const ahead = Math.max(0, reply.sentAt - (earliest + 1000))
  const behind = Math.max(0, earliest - reply.arrivedAt)
  const seconds = Math.floor((ahead + behind) / 1000)
  if (seconds <= difference.good) return ok('clock', 'This machine\'s clock agrees with Clover\'s.')
  return found('clock', seconds < difference.bad ? 'warning' : 'error',
    `This machine's clock is ${seconds} seconds ${ahead > 0 ? 'ahead of' : 'behind'} Clover's. Tokens do not suffer, since the plugin goes by Clover's clock. A launch that another server began may be refused.`,
    'Set the clock by NTP.')
}
