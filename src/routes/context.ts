import type { FastifyReply, FastifyRequest } from 'fastify'
import { authorizeUrl } from '../clover/authorize.js'
import type { CloverApp } from '../clover/client.js'
import { badState } from '../errors.js'
import type { CloverOptions } from '../options.js'
import type { Connections } from '../tokens/connections.js'
import type { Disconnects } from '../tokens/disconnects.js'
import type { TokenKeeper } from '../tokens/keeper.js'
import { setPrivateHeaders } from './pages.js'
import type { Attempt, States } from './state.js'

/** @internal What the routes work with. */
export interface RouteContext {
  app: CloverApp
  states: States
  connections: Pick<Connections, 'connect' | 'connectWithToken'>
  disconnects: Pick<Disconnects, 'disconnect'>
  keeper: Pick<TokenKeeper, 'refresh'>
  hooks: Pick<CloverOptions, 'onConnect' | 'onError' | 'onEvent'>
  /** The callback's public address. */
  redirectUri: string
  /** The path of the app's public address, which a proxy strips; empty if there is none. */
  basePath: string
  /** The launch route's path as a browser sees it; undefined if there is none. */
  launchPath: string | undefined
  /** Where a merchant can install the app; undefined if the host did not say. */
  appMarketUrl: string | undefined
  /** Says that a state was refused, why, and which merchant it was about as far as the browser said. */
  onStateRefused: (reason: string, merchantId?: string) => void
  /** Says that a webhook was refused, and why. */
  onWebhookRefused: (reason: string) => void
  /** Says that a verification of the webhook route came, and whether the host is told its code. */
  onVerification: (isTold: boolean) => void
  /** Runs a notice of the host that nobody waits for. */
  tell: (name: string, run: () => unknown) => void
}

/** @internal Sends the browser to Clover's authorize page, with a new state. */
export function redirectToClover ({ app, states, redirectUri }: RouteContext, request: FastifyRequest, reply: FastifyReply, attempt: Attempt): FastifyReply {
  const { state, verifier } = setState(states, request, reply, attempt)
  const { merchantId } = attempt
  return reply.redirect(authorizeUrl(app, { redirectUri, state, verifier, ...(merchantId !== undefined && { merchantId }) }), 302)
}

/**
 * @internal Sends the browser to the callback once more, with a new state and without a code: whether its cookie arrives there tells whether the
 * browser keeps cookies.
 */
export function redirectToSelf ({ states, redirectUri }: RouteContext, request: FastifyRequest, reply: FastifyReply, attempt: Attempt): FastifyReply {
  const { state } = setState(states, request, reply, attempt)
  return reply.redirect(`${redirectUri}?${new URLSearchParams({ state })}`, 302)
}

function setState (states: States, request: FastifyRequest, reply: FastifyReply, attempt: Attempt) {
  const { setCookies, ...made } = states.mint(attempt, request.headers.cookie)
  setPrivateHeaders(reply)
  for (const cookie of setCookies) reply.header('set-cookie', cookie)
  return made
}

/** @internal @throws FST_CLOVER_STATE if a `client_id` names another app */
export function checkClientId ({ app }: RouteContext, clientId: string | undefined): void {
  if (clientId !== undefined && clientId !== app.appId) {
    throw badState('client_id is another app\'s: check the App ID, and the app\'s Site URL in Clover\'s developer dashboard.')
  }
}
