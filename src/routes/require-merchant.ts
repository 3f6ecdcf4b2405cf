import type { FastifyContextConfig, FastifyReply, FastifyRequest } from 'fastify'
import { invalidOptions, nobodyConnected } from '../errors.js'
import { isMerchantId } from '../installation.js'
import { setPrivateHeaders } from './pages.js'
import { safePath } from './return-to.js'

/** Reads the merchant id that the host keeps for a visitor, such as in a session. May be async. */
export type MerchantSource = (request: FastifyRequest) => string | null | undefined | Promise<string | null | undefined>

/** A `preHandler` hook that lets only requests of a merchant pass. */
export type MerchantHook = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply | undefined>

/** The key in a route's config: see `forStrangers`. */
const kForStrangers = Symbol('fastify-clover.for-strangers')

/**
 * @internal Exempts a route from `requireMerchant()`, so that the hook can be added to the whole app: a merchant connects through launch and callback,
 * and Clover sends no cookie with a webhook.
 */
export function forStrangers<Route extends { config?: FastifyContextConfig }> (route: Route): Route {
  return { ...route, config: { ...route.config, [kForStrangers]: true } }
}

/** The merchant of each request that has passed. */
const merchants = new WeakMap<FastifyRequest, string>()

/**
 * @internal Backs `requireMerchant()`.
 *
 * @param launchUrl the launch route's public address; undefined if the route is off
 * @throws FST_CLOVER_INVALID_OPTIONS
 */
export function merchantHook (launchUrl: string | undefined, merchantOf: MerchantSource): MerchantHook {
  if (typeof merchantOf !== 'function') {
    throw invalidOptions(['requireMerchant takes a function that gives the merchant id of a request, such as request => request.session.get(\'merchantId\').'])
  }
  if (launchUrl === undefined) {
    throw invalidOptions(['requireMerchant sends merchants to the launch route, which is off here: do not set routes.launch to false.'])
  }

  return async function requireMerchant (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    if (kForStrangers in request.routeOptions.config) return undefined
    const merchantId = await merchantOf(request)
    if (isMerchantId(merchantId)) {
      merchants.set(request, merchantId)
      return undefined
    }
    if (!isNavigation(request)) throw nobodyConnected(launchUrl)
    // A cached redirect would also answer a merchant who has connected since.
    setPrivateHeaders(reply)
    const path = safePath(request.originalUrl)
    return reply.redirect(path === undefined ? launchUrl : `${launchUrl}?${new URLSearchParams({ return_to: path })}`, 302)
  }
}

/**
 * @internal Backs `request.cloverMerchantId`.
 *
 * @throws FST_CLOVER_INVALID_OPTIONS for a request that has not passed `requireMerchant()`
 */
export function merchantIdOf (request: FastifyRequest): string {
  const merchantId = merchants.get(request)
  if (merchantId !== undefined) return merchantId
  throw invalidOptions(['request.cloverMerchantId is only there after requireMerchant: give the route preHandler: app.clover.requireMerchant(...).'])
}

/** Whether a browser loads a page, and so can follow a redirect to Clover. A request of a script could not. */
function isNavigation ({ method, headers }: FastifyRequest): boolean {
  return (method === 'GET' || method === 'HEAD') && String(headers.accept).includes('text/html')
}
