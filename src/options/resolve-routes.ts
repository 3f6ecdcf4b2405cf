import type { CloverGuardedRouteOptions, CloverRoute, CloverRouteOptions, CloverRoutes, CloverWebhookRouteOptions } from './options.js'

/** @internal The routes of a registration as the option `routes` says, with their defaults: `false` for one that is off. */
export interface ResolvedRoutes {
  launch: CloverRouteOptions & { path: string } | false
  callback: CloverRouteOptions & { path: string } | false
  refresh: CloverGuardedRouteOptions & { path: string } | false
  status: CloverGuardedRouteOptions & { path: string } | false
  webhook: WebhookRoute | false
}

/** @internal The options of the webhook route, with their defaults. */
export interface WebhookRoute extends Omit<CloverWebhookRouteOptions, 'auth' | 'awaitEvents'> {
  path: string
  /** The accepted values of `X-Clover-Auth`. Empty: the route is not set up yet. */
  auth: string[]
  /** Clover is answered only when the host has taken every event. */
  awaitEvents: boolean
}

/** @internal Fills in the routes' defaults. */
export function resolveRoutes (routes: CloverRoutes | false | undefined): ResolvedRoutes {
  const resolve = <Options extends CloverRouteOptions>(name: string, route: CloverRoute<Options> | undefined): Options & { path: string } | false => {
    if (routes === false || route === false) return false
    const path = `/clover/${name}`
    return (typeof route === 'string' ? { path: route } : { path, ...route }) as Options & { path: string }
  }
  const given = routes || {}
  const { webhook } = given
  return {
    launch: resolve('launch', given.launch),
    callback: resolve('callback', given.callback),
    refresh: resolve('refresh', given.refresh),
    status: resolve('status', given.status ?? false),
    webhook: webhook ? resolveWebhook(webhook) : false
  }
}

function resolveWebhook ({ path = '/clover/webhook', auth, awaitEvents = false, ...route }: CloverWebhookRouteOptions): WebhookRoute {
  return { ...route, path, auth: [auth].flat().filter((value): value is string => Boolean(value)), awaitEvents }
}
