import type { FastifyReply, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { badState, denied, invalidOptions, merchantMismatch } from '../errors.js'
import { checkClientId, redirectToClover, type RouteContext } from './context.js'
import { setPrivateHeaders } from './pages.js'
import { forgetQuery } from './redaction.js'
import { safePath } from './return-to.js'
import type { CallbackQuery } from './schemas.js'
import type { OwnState } from './state.js'

type Connected = { merchantId: string, isNew: boolean }

/** @internal Errors that a host's `onConnect` threw: they are the host's own. */
export const hostErrors = new WeakSet<object>()

/** @internal The callback route: Clover sends a merchant's browser back. */
export function callbackHandler (context: RouteContext) {
  const { states, connections, hooks, basePath, onStateRefused } = context
  /** States that were used, for as long as they would be valid. Across servers Clover's code, which works once, is the stop. */
  const used = new LRUCache<string, { flight: Promise<Connected> | undefined }>({ max: 10_000, ttl: 600_000 })

  return async function callback (request: FastifyRequest<{ Querystring: CallbackQuery }>, reply: FastifyReply): Promise<FastifyReply> {
    const { query } = request
    forgetQuery(request)
    setPrivateHeaders(reply)
    checkClientId(context, query.client_id)
    const own = states.open(query.state, request.headers.cookie)
    const use = own && used.get(own.id)
    if (own === undefined || (use && !use.flight)) return startOver(request, reply)

    reply.header('set-cookie', states.clear(own))
    // The merchant is the one that the flight verified, whatever a second request that joins it says in its query.
    const { isNew, merchantId } = await (use?.flight ?? begin(query, own))
    const path = await landing(request, reply, { merchantId, employeeId: query.employee_id, isNew })
    return path === undefined ? reply : reply.redirect(basePath + (path || own.returnTo || '/'), 302)
  }

  /** A callback without a state of this browser: its code is dropped, since a stranger may have sent it, and a fresh authorization begins. */
  function startOver (request: FastifyRequest<{ Querystring: CallbackQuery }>, reply: FastifyReply): FastifyReply {
    const { state, error, merchant_id: merchantId } = request.query
    onStateRefused(state === undefined ? 'no state' : 'the state is not this browser\'s, is too old, or was used', merchantId)
    if (error !== undefined) throw denial(error)
    const number = states.restarts(state, request.headers.cookie) + 1
    if (number > 1) {
      throw badState('The browser did not send back the cookie that this site set: allow cookies for this site, and open the app from Clover again.')
    }
    return redirectToClover(context, request, reply, { number, ...(merchantId !== undefined && { merchantId }) })
  }

  /** Exchanges the code; the same callback loaded twice shares this one flight. */
  function begin (query: CallbackQuery, own: OwnState): Promise<Connected> {
    const use: { flight: Promise<Connected> | undefined } = { flight: undefined }
    used.set(own.id, use)
    const flight = exchange(query, own).finally(() => { use.flight = undefined })
    use.flight = flight
    return flight
  }

  async function exchange (query: CallbackQuery, own: OwnState): Promise<Connected> {
    if (query.error !== undefined) throw denial(query.error)
    if (query.code === undefined) throw denied('Clover sent no authorization code. Open the app from Clover again, and approve it.')
    const merchantId = query.merchant_id ?? own.merchantId
    if (merchantId === undefined) throw badState('merchant_id is missing: open the app from Clover again.')
    // A launch for one merchant cannot end as another's.
    if (own.merchantId !== undefined && own.merchantId !== merchantId) {
      onStateRefused('the launch was for another merchant', own.merchantId)
      throw merchantMismatch(own.merchantId)
    }
    const { isNew } = await connections.connect(merchantId, { code: query.code, verifier: own.verifier })
    return { merchantId, isNew }
  }

  /** Where to send the browser: empty for the default, undefined if the host has replied. */
  async function landing (request: FastifyRequest, reply: FastifyReply, connection: { merchantId: string, employeeId: string | undefined, isNew: boolean }): Promise<string | undefined> {
    let result: unknown
    try {
      result = await hooks.onConnect?.(request, reply, connection)
    } catch (error) {
      if (typeof error === 'object' && error !== null) hostErrors.add(error)
      throw error
    }
    if (result === reply || reply.sent) return undefined
    if (result === undefined || result === null) return ''
    const path = typeof result === 'string' ? safePath(result) : undefined
    if (path !== undefined) return path
    const error = invalidOptions(['onConnect must return a path of this app (such as /orders, 256 characters at most), or the reply if it has sent, or nothing.'])
    hostErrors.add(error)
    throw error
  }
}

/** The error parameter is shown only where it is a code, as OAuth has them (RFC 6749, section 4.1.2.1); its description never. */
function denial (error: string): Error {
  const code = /^[a-z_]{1,40}$/.test(error) ? ` (${error})` : ''
  return denied(`the app was not approved${code}. To connect, open the app from Clover again and approve it.`)
}
