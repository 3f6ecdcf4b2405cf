import type { FastifyReply, FastifyRequest } from 'fastify'
import { authorizeUrl } from '../clover/authorize.js'
import type { CloverApp } from '../clover/app.js'
import { badState } from '../errors.js'
import type { CloverOptions } from '../options/options.js'
import type { CloverSummary } from '../operations/summary.js'
import type { Runtime } from '../runtime.js'
import type { Connections } from '../tokens/connections.js'
import type { Disconnects } from '../tokens/disconnects.js'
import type { AccessTokens } from '../tokens/access-tokens.js'
import { setPrivateHeaders } from './pages.js'
import { sentences } from './sentences.js'
import type { Attempt, States } from './state.js'

/** @internal The parts of the plugin that the routes use. */
export interface RouteContext {
  app: CloverApp
  states: States
  connections: Pick<Connections, 'connect' | 'connectWithToken'>
  disconnects: Pick<Disconnects, 'disconnect'>
  accessTokens: Pick<AccessTokens, 'refresh'>
  hooks: Pick<CloverOptions, 'onConnect' | 'onError' | 'onEvent'>
  /** The callback's public address. */
  redirectUri: string
  /** The path of `baseUrl`, which a proxy strips; empty if there is none. */
  basePath: string
  /** The launch route's path as a browser sees it; undefined if there is none. */
  launchPath: string | undefined
  /** The app's page in the App Market; undefined if the host did not give one. */
  appMarketUrl: string | undefined
  /** Reports a refused state. `merchantId` is the browser's claim. */
  onStateRefused: (reason: string, merchantId?: string) => void
  /** Reports a refused webhook. */
  onWebhookRefused: (reason: string) => void
  /** Reports a verification of the webhook route. `isTold`: the host has `onVerificationCode`. */
  onVerification: (isTold: boolean) => void
  /** Counts merchants by state. */
  summary: () => Promise<CloverSummary>
  /** Calls a hook of the host; an error is logged. Resolves with whether there was none. */
  notifyHost: (name: string, run: () => unknown) => Promise<boolean>
  sleep: Runtime['sleep']
}

/** @internal Sends the browser to Clover's authorize page, with a new state. */
export function redirectToClover ({ app, states, redirectUri }: RouteContext, request: FastifyRequest, reply: FastifyReply, attempt: Attempt): FastifyReply {
  const { state, verifier } = setState(states, request, reply, attempt)
  const { merchantId } = attempt
  return reply.redirect(authorizeUrl(app, { redirectUri, state, verifier, ...(merchantId !== undefined && { merchantId }) }), 302)
}

/**
 * @internal Sends the browser to the callback once more, with a new state and without a code: if its cookie arrives there, the browser keeps
 * cookies.
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
  if (clientId !== undefined && clientId !== app.appId) throw badState(sentences.wrongClientId)
}
