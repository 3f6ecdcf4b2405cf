import type { FastifyReply, FastifyRequest } from 'fastify'
import { LruMap } from 'toad-cache'
import { badState, denied, invalidOptions, merchantMismatch } from '../errors.js'
import type { Connections } from '../tokens/connections.js'
import { checkClientId, redirectToClover, redirectToSelf, type RouteContext } from './context.js'
import { isFromOwnPage, sendImplicitPage } from './implicit.js'
import { setPrivateHeaders } from './pages.js'
import { forgetQuery } from './redaction.js'
import { safePath } from './return-to.js'
import { sentences } from './sentences.js'
import type { CallbackQuery, ImplicitBody } from './schemas.js'
import { Round, type Attempt, type OwnState } from './state.js'

/** The merchant whose authorization Clover has confirmed, and whether it is connected now or must go through Clover once more. */
type Confirmed = { merchantId: string, result: Awaited<ReturnType<Connections['connect']>> }
/** The parameters that Clover sends back in every flow. */
type Given = Pick<CallbackQuery, 'error' | 'merchant_id' | 'employee_id'>
/** Connects a merchant with the code or token that Clover sent; undefined if it sent none. */
type Connect = ((merchantId: string) => ReturnType<Connections['connect']>) | undefined

/**
 * The most redirects in a row that send a browser to Clover without a click. A browser gives up after 20 redirects (Fetch Standard, "HTTP-redirect fetch"), a
 * pass through Clover takes two to four of them, and the browser's own error page would not say what to do.
 */
const mostRedirects = 4

/** @internal Errors that the host's `onConnect` threw: the host's error handler gets them. */
export const hostErrors = new WeakSet<object>()

/** @internal The handlers of the callback route, to which Clover sends a merchant's browser back. `implicit` handles the form of the implicit flow's page. */
export function callbackHandlers (context: RouteContext) {
  const { app, states, connections, hooks, redirectUri, basePath, onStateRefused } = context
  /** The states that were used last. Across servers a replay fails at Clover, whose codes work once. */
  const used = new LruMap<{ exchange: Promise<Confirmed> | undefined }>(10_000)

  return { callback, implicit }

  async function callback (request: FastifyRequest<{ Querystring: CallbackQuery }>, reply: FastifyReply): Promise<FastifyReply> {
    const { query } = request
    const { code } = query
    forgetQuery(request)
    setPrivateHeaders(reply)
    // In the implicit flow Clover's parameters are in the fragment, which only a page can read. The cookie test is not a redirect from Clover.
    if (app.implicit && code === undefined && query.error === undefined && states.roundOf(query.state) !== Round.cookieTest) return sendImplicitPage(reply)
    checkClientId(context, query.client_id)
    const own = open(query.state, request)
    if (own === undefined) return startOver(request, reply)
    const isFullRound = own.round === Round.full
    const connect: Connect = code === undefined ? undefined : merchantId => connections.connect(merchantId, { code, verifier: own.verifier }, isFullRound)
    return finish(request, reply, query, own, connect)
  }

  async function implicit (request: FastifyRequest<{ Body: ImplicitBody }>, reply: FastifyReply): Promise<FastifyReply> {
    const { body } = request
    const { access_token: token } = body
    setPrivateHeaders(reply)
    if (!isFromOwnPage(request, new URL(redirectUri).origin)) {
      onStateRefused('a token came from another site\'s page')
      throw badState(sentences.otherSite)
    }
    checkClientId(context, body.client_id)
    const own = open(body.state, request)
    if (own === undefined) {
      onStateRefused(states.trace(body.state, request.headers.cookie).reason, body.merchant_id)
      // The page's policy forbids a form that ends at Clover, so the merchant must open the app again.
      throw body.error !== undefined ? denial(body.error) : badState(sentences.unknownState)
    }
    return finish(request, reply, body, own, token === undefined ? undefined : merchantId => connections.connectWithToken(merchantId, token))
  }

  /** The state, if it belongs to this browser and was not used before. */
  function open (state: string | undefined, request: FastifyRequest): OwnState | undefined {
    const own = states.open(state, request.headers.cookie)
    const use = own && used.get(own.id)
    return use && !use.exchange ? undefined : own
  }

  async function finish (request: FastifyRequest, reply: FastifyReply, given: Given, own: OwnState, connect: Connect): Promise<FastifyReply> {
    reply.header('set-cookie', states.clear(own))
    if (own.round === Round.cookieTest) return redirectToClover(context, request, reply, restart(own.merchantId, own.redirects))
    // The verified merchant: a second request that shares this exchange may name another.
    const { merchantId, result } = await (used.get(own.id)?.exchange ?? begin(given, own, connect))
    if (result === 'needs-full-round') return redirectToClover(context, request, reply, fullRound(merchantId, own))
    const path = await landing(request, reply, { merchantId, employeeId: given.employee_id, isNew: result.isNew })
    return path === undefined ? reply : reply.redirect(basePath + (path || own.returnTo || '/'), request.method === 'GET' ? 302 : 303)
  }

  /**
   * Handles a callback without a valid state of this browser: drops its code, since a stranger may have sent it, and starts a new authorization.
   *
   * A browser that sent a cookie of this site goes to Clover. Any other goes to the callback once more with a new cookie, to see whether it keeps
   * cookies: without them a pass through Clover would end here again.
   */
  function startOver (request: FastifyRequest<{ Querystring: CallbackQuery }>, reply: FastifyReply): FastifyReply {
    const { code, state, error, merchant_id: merchantId } = request.query
    const { keepsCookies, failedCookieTest, redirects, reason } = states.trace(state, request.headers.cookie)
    onStateRefused(reason, merchantId)
    if (error !== undefined) throw denial(error)
    if (redirects >= mostRedirects) throw badState(sentences.redirectLoop)
    if (keepsCookies) return redirectToClover(context, request, reply, restart(merchantId, redirects))
    if (failedCookieTest) throw badState(sentences.noCookies)
    // Something drops the whole query, so the state of the cookie test would be lost too, and the test would repeat endlessly.
    if (code === undefined && state === undefined && merchantId === undefined) throw badState(sentences.noParameters)
    return redirectToSelf(context, request, reply, { round: Round.cookieTest, redirects, ...(merchantId !== undefined && { merchantId }) })
  }

  /** Uses the code or the token once; a callback that is loaded twice shares the exchange. */
  function begin (given: Given, own: OwnState, connect: Connect): Promise<Confirmed> {
    const use: { exchange: Promise<Confirmed> | undefined } = { exchange: undefined }
    used.set(own.id, use)
    const exchange = exchangeOnce(given, own, connect).finally(() => { use.exchange = undefined })
    use.exchange = exchange
    return exchange
  }

  async function exchangeOnce (given: Given, own: OwnState, connect: Connect): Promise<Confirmed> {
    if (given.error !== undefined) throw denial(given.error)
    if (connect === undefined) throw denied(sentences.nothingSent(app.implicit ? 'token' : 'authorization code'))
    const merchantId = given.merchant_id ?? own.merchantId
    if (merchantId === undefined) throw badState(sentences.noMerchantId)
    // A launch for one merchant must not connect another.
    if (own.merchantId !== undefined && own.merchantId !== merchantId) {
      onStateRefused('the launch was for another merchant', own.merchantId)
      throw merchantMismatch(own.merchantId)
    }
    return { merchantId, result: await connect(merchantId) }
  }

  /** The path to redirect to, as `onConnect` says: empty for the default, undefined if the host has replied. */
  async function landing (
    request: FastifyRequest,
    reply: FastifyReply,
    connection: { merchantId: string, employeeId: string | undefined, isNew: boolean }
  ): Promise<string | undefined> {
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

function restart (merchantId: string | undefined, redirects: number): Attempt {
  return { round: Round.restarted, redirects: redirects + 1, ...(merchantId !== undefined && { merchantId }) }
}

/**
 * Another pass through Clover, whose code is exchanged for a token pair. It is bound to the merchant whom Clover has just confirmed, whether or not
 * the launch named one, and keeps the launch's `return_to`.
 */
function fullRound (merchantId: string, { redirects, returnTo }: OwnState): Attempt {
  return { round: Round.full, redirects: redirects + 1, merchantId, ...(returnTo !== undefined && { returnTo }) }
}

/** Shows the parameter `error` only if it has the form of a code (RFC 6749, section 4.1.2.1), and `error_description` never. */
function denial (error: string): Error {
  return denied(sentences.notApproved(/^[a-z_]{1,40}$/.test(error) ? error : ''))
}
