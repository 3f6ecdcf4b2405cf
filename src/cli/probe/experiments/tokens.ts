import type { Experiment } from '../experiment.js'
import { NotHere, Unsettled } from '../outcome.js'

/** @internal Whether the access token is a JWT with the claim `merchant_uuid`. */
export const claims: Experiment = {
  name: 'claims',
  settles: [],
  learns: 'whether the access token is a JWT with the claim merchant_uuid',
  async run (session) {
    const { findings } = session
    const payload = payloadOf(await session.accessToken())
    findings.fact('accessTokenIsJwt', payload !== undefined)
    if (payload !== undefined) findings.fact('merchantUuidClaim', 'merchant_uuid' in payload ? payload.merchant_uuid === session.merchant ? 'the merchant' : 'something else' : 'missing')
  }
}

/** @internal Whether answers have a `Date`, by which the plugin sets its clock. */
export const clock: Experiment = {
  name: 'clock',
  settles: [],
  learns: 'whether answers have a Date, and how far the clock here is from it',
  async run (session) {
    await session.accessToken()
    const { date } = session.calls
    session.findings.fact('dateHeader', date !== undefined)
    if (date === undefined) throw new Unsettled('no answer has a Date: lifetimes cannot be measured')
    session.findings.fact('clockAheadOfCloverSeconds', date.difference)
  }
}

/** @internal Says that this command leaves a switch of the simulator unsettled, and why. */
export const implicit: Experiment = {
  name: 'implicit',
  settles: [],
  learns: 'nothing: implicitParameters is not settled by this command',
  async run () {
    throw new NotHere('this command does not make v1\'s implicit flow, so implicitParameters stays unknown')
  }
}

/** The payload of a JWT (RFC 7519, section 3); undefined for another form. */
function payloadOf (token: string): Record<string, unknown> | undefined {
  const [, payload, signature] = token.split('.')
  if (payload === undefined || signature === undefined) return undefined
  try {
    const value: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
    return typeof value === 'object' && value !== null ? value as Record<string, unknown> : undefined
  } catch {
    return undefined
  }
}
