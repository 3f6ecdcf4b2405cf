import type { FastifyReply, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { badState, denied, invalidOptions, merchantMismatch } from '../errors.js'
import type { Connections } from '../tokens/connections.js'
import { checkClientId, redirectToClover, redirectToSelf, type RouteContext } from './context.js'
import { isFromOwnPage, sendImplicitPage } from './implicit.js'
import { setPrivateHeaders } from './pages.js'
import { forgetQuery } from './redaction.js'
import { safePath } from './return-to.js'
import type { CallbackQuery, ImplicitBody } from './schemas.js'
import { Round, type Attempt, type OwnState } from './state.js'

/** The merchant whose authorization Clover has confirmed, and whether it is connected now or must go through Clover once more. */
type Confirmed = { merchantId: string, result: Awaited<ReturnType<Connections['connect']>> }
/** What comes back from Clover with either flow. */
type Given = Pick<CallbackQuery, 'error' | 'merchant_id' | 'employee_id'>
/** Trades what Clover sent for a connection; undefined if it sent nothing to trade. */
type Connect = ((merchantId: string) => ReturnType<Connections['connect']>) | undefined

/**
 * How often in a row a browser is sent to Clover without a person's click. A browser itself gives up after 20 redirects (Fetch Standard, "HTTP-redirect
 * fetch"), of which a pass through Clover takes two to four, and its page would not say what to do.
 */
const mostRedirects = 4

/** @internal Errors that a host's `onConnect` threw: they are the host's own. */
export const hostErrors = new WeakSet<object>()

/** @internal The callback route: Clover sends a merchant's browser back. `implicit` takes what its page posts. */
export function callbackHandlers (context: RouteContext) {
  const { app, states, connections, hooks, redirectUri, basePath, onStateRefused } = context
  /** States that were used, for as long as they would be valid. Across servers Clover's code, which works once, is the stop. */
  const used = new LRUCache<string, { flight: Promise<Confirmed> | undefined }>({ max: 10_000, ttl: 600_000 })

  return { callback, implicit }

  async function callback (request: FastifyRequest<{ Querystring: CallbackQuery }>, reply: FastifyReply): Promise<FastifyReply> {
    const { query } = request
    const { code } = query
    forgetQuery(request)
    setPrivateHeaders(reply)
    // What Clover adds in the implicit flow is in the fragment, which only a page can read. The cookie test does not come from Clover.
    if (app.implicit && code === undefined && query.error === undefined && states.roundOf(query.state) !== Round.asking) return sendImplicitPage(reply)
    checkClientId(context, query.client_id)
    const own = open(query.state, request)
    if (own === undefined) return startOver(request, reply)
    return finish(request, reply, query, own, code === undefined ? undefined : merchantId => connections.connect(merchantId, { code, verifier: own.verifier }, own.round === Round.full))
  }

  async function implicit (request: FastifyRequest<{ Body: ImplicitBody }>, reply: FastifyReply): Promise<FastifyReply> {
    const { body } = request
    const { access_token: token } = body
    setPrivateHeaders(reply)
    if (!isFromOwnPage(request, new URL(redirectUri).origin)) {
      onStateRefused('a token came from another site\'s page')
      throw badState('The request did not come from a page of this site: open the app from Clover again.')
    }
    checkClientId(context, body.client_id)
    const own = open(body.state, request)
    if (own === undefined) {
      onStateRefused(states.trace(body.state, request.headers.cookie).reason, body.merchant_id)
      // The form may lead nowhere but to this site, so that the merchant has to begin anew.
      throw body.error !== undefined ? denial(body.error) : badState('The authorization was not begun in this browser, took too long, or was used already: open the app from Clover again.')
    }
    return finish(request, reply, body, own, token === undefined ? undefined : merchantId => connections.connectWithToken(merchantId, token))
  }

  /** The browser's own state, unless it was used. */
  function open (state: string | undefined, request: FastifyRequest): OwnState | undefined {
    const own = states.open(state, request.headers.cookie)
    const use = own && used.get(own.id)
    return use && !use.flight ? undefined : own
  }

  async function finish (request: FastifyRequest, reply: FastifyReply, given: Given, own: OwnState, connect: Connect): Promise<FastifyReply> {
    reply.header('set-cookie', states.clear(own))
    if (own.round === Round.asking) return redirectToClover(context, request, reply, again(own.merchantId, own.redirects))
    // The merchant is the one that the flight verified, whatever a second request that joins it says.
    const { merchantId, result } = await (used.get(own.id)?.flight ?? begin(given, own, connect))
    if (result === 'again') return redirectToClover(context, request, reply, fullRound(merchantId, own))
    const path = await landing(request, reply, { merchantId, employeeId: given.employee_id, isNew: result.isNew })
    return path === undefined ? reply : reply.redirect(basePath + (path || own.returnTo || '/'), request.method === 'GET' ? 302 : 303)
  }

  /**
   * A callback without a valid state of this browser: its code is dropped, since a stranger may have sent it, and a new authorization begins.
   *
   * A browser that sends a cookie of this site goes to Clover. Any other is first sent to the callback once more, with a cookie to bring back:
   * Clover would only send it here again, and again without a cookie.
   */
  function startOver (request: FastifyRequest<{ Querystring: CallbackQuery }>, reply: FastifyReply): FastifyReply {
    const { code, state, error, merchant_id: merchantId } = request.query
    const { keepsCookies, failedCookieTest, redirects, reason } = states.trace(state, request.headers.cookie)
    onStateRefused(reason, merchantId)
    if (error !== undefined) throw denial(error)
    if (redirects >= mostRedirects) {
      throw badState('The browser went back and forth between this site and Clover several times without success: wait half a minute, and open the app from Clover again.')
    }
    if (keepsCookies) return redirectToClover(context, request, reply, again(merchantId, redirects))
    if (failedCookieTest) {
      throw badState('The browser did not send back the cookie that this site set: allow cookies for this site, and open the app from Clover again.')
    }
    // The state of the cookie test would be lost as well, so nothing would tell a second test from the first.
    if (code === undefined && state === undefined && merchantId === undefined) {
      throw badState('The address lacks what Clover adds to it: open the app from Clover again.')
    }
    return redirectToSelf(context, request, reply, { round: Round.asking, redirects, ...(merchantId !== undefined && { merchantId }) })
  }

  /** Uses the code or the token; the same callback loaded twice shares this one flight. */
  function begin (given: Given, own: OwnState, connect: Connect): Promise<Confirmed> {
    const use: { flight: Promise<Confirmed> | undefined } = { flight: undefined }
    used.set(own.id, use)
    const flight = trade(given, own, connect).finally(() => { use.flight = undefined })
    use.flight = flight
    return flight
  }

  async function trade (given: Given, own: OwnState, connect: Connect): Promise<Confirmed> {
    if (given.error !== undefined) throw denial(given.error)
    if (connect === undefined) {
      throw denied(`Clover sent no ${app.implicit ? 'token' : 'authorization code'}. Open the app from Clover again, and approve it.`)
    }
    const merchantId = given.merchant_id ?? own.merchantId
    if (merchantId === undefined) throw badState('merchant_id is missing: open the app from Clover again.')
    // A launch for one merchant cannot end as another's.
    if (own.merchantId !== undefined && own.merchantId !== merchantId) {
      onStateRefused('the launch was for another merchant', own.merchantId)
      throw merchantMismatch(own.merchantId)
    }
    return { merchantId, result: await connect(merchantId) }
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

function again (merchantId: string | undefined, redirects: number): Attempt {
  return { round: Round.again, redirects: redirects + 1, ...(merchantId !== undefined && { merchantId }) }
}

/**
 * The round in which the code is exchanged for a whole pair. It is for the merchant that Clover has just confirmed, whether the launch named one or
 * not, and ends where the launch would have ended.
 */
function fullRound (merchantId: string, { redirects, returnTo }: OwnState): Attempt {
  return { round: Round.full, redirects: redirects + 1, merchantId, ...(returnTo !== undefined && { returnTo }) }
}

/** The error parameter is shown only where it is a code, as OAuth has them (RFC 6749, section 4.1.2.1); its description never. */
function denial (error: string): Error {
  const code = /^[a-z_]{1,40}$/.test(error) ? ` (${error})` : ''
  return denied(`the app was not approved${code}. To connect, open the app from Clover again and approve it.`)
}
