import createError, { type FastifyError } from '@fastify/error'
import { isDeploymentName } from './installation.js'

/*
 * Every error that the plugin raises, in one place. A message may reach the host's client through Fastify's error handler, so it
 * says what to do and never holds a token, a code, a secret or a URL with a query.
 */

/** The codes of all errors raised by the plugin. */
export type CloverErrorCode =
  | 'FST_CLOVER_NOT_CONNECTED'
  | 'FST_CLOVER_REAUTHORIZATION_REQUIRED'
  | 'FST_CLOVER_UNAVAILABLE'
  | 'FST_CLOVER_BAD_REPLY'
  | 'FST_CLOVER_STORAGE'
  | 'FST_CLOVER_INVALID_OPTIONS'
  | 'FST_CLOVER_INVALID_MERCHANT_ID'
  | 'FST_CLOVER_MERCHANT_MISMATCH'
  | 'FST_CLOVER_PERMISSION'
  | 'FST_CLOVER_DENIED'
  | 'FST_CLOVER_STATE'
  | 'FST_CLOVER_WEBHOOK'
  | 'FST_CLOVER_OTHER_APP'
  | 'FST_CLOVER_OTHER_DEPLOYMENT'
  | 'FST_CLOVER_SEALED'
  | 'FST_CLOVER_UNREADABLE'
  | 'FST_CLOVER_FOREIGN_URL'
  | 'FST_CLOVER_NO_ECOMMERCE'
  | 'FST_CLOVER_CLOSING'

/** An error raised by the plugin. Fastify replies with its `statusCode`, `headers` and `message`. */
export interface CloverError extends FastifyError {
  code: CloverErrorCode
  statusCode: number
  /** The merchant concerned, where there is one. */
  merchantId?: string
  /** Seconds after which another try makes sense (`FST_CLOVER_UNAVAILABLE`, and `FST_CLOVER_WEBHOOK` with 503). */
  retryAfter?: number
  /**
   * Where the merchant's browser must go to authorize again (`FST_CLOVER_NOT_CONNECTED` and `FST_CLOVER_REAUTHORIZATION_REQUIRED`, where the launch route
   * is on).
   */
  launchUrl?: string
  /** Sent with the reply: `retry-after` where there is a `retryAfter`. */
  headers?: Record<string, string>
}

/** The class of the errors with one code, for `instanceof`. Its arguments are put into the message; a host never needs to construct one. */
export interface CloverErrorClass<Code extends CloverErrorCode = CloverErrorCode> {
  new (...args: string[]): CloverError & { code: Code }
  readonly prototype: CloverError & { code: Code }
}

/** The error classes by code, for `instanceof`, as in `fastify.errorCodes`. */
// The type is written out: the one that TypeScript would derive names a namespace of @fastify/error that some hosts' settings do not find.
export const errorCodes: {
  /** Nothing is stored for the merchant, or `requireMerchant` found no merchant in the request (409): send the browser to `launchUrl`. */
  readonly FST_CLOVER_NOT_CONNECTED: CloverErrorClass<'FST_CLOVER_NOT_CONNECTED'>
  /** Clover refuses every stored token (409): send the browser to `launchUrl`. The plugin tries again by itself, at growing intervals up to a day. */
  readonly FST_CLOVER_REAUTHORIZATION_REQUIRED: CloverErrorClass<'FST_CLOVER_REAUTHORIZATION_REQUIRED'>
  /** Clover did not answer, or not usefully, and no living token is left (503): try again after `retryAfter` seconds. */
  readonly FST_CLOVER_UNAVAILABLE: CloverErrorClass<'FST_CLOVER_UNAVAILABLE'>
  /** Clover's reply does not have its documented form (502): nothing of it was used. */
  readonly FST_CLOVER_BAD_REPLY: CloverErrorClass<'FST_CLOVER_BAD_REPLY'>
  /** The storage adapter failed and no living token is in memory (503): `cause`, which is logged and not sent, says why. */
  readonly FST_CLOVER_STORAGE: CloverErrorClass<'FST_CLOVER_STORAGE'>
  /** An option, or an argument, is wrong (500): usually at boot. */
  readonly FST_CLOVER_INVALID_OPTIONS: CloverErrorClass<'FST_CLOVER_INVALID_OPTIONS'>
  /** The merchant id does not have 13 characters of A-Z and 0-9 (400). */
  readonly FST_CLOVER_INVALID_MERCHANT_ID: CloverErrorClass<'FST_CLOVER_INVALID_MERCHANT_ID'>
  /** The authorization is another merchant's (403): nothing was stored. */
  readonly FST_CLOVER_MERCHANT_MISMATCH: CloverErrorClass<'FST_CLOVER_MERCHANT_MISMATCH'>
  /** The app may not read the merchant, or a collection (403): enable the permission that the message names. */
  readonly FST_CLOVER_PERMISSION: CloverErrorClass<'FST_CLOVER_PERMISSION'>
  /** The merchant did not approve, or Clover did not accept the code (403). */
  readonly FST_CLOVER_DENIED: CloverErrorClass<'FST_CLOVER_DENIED'>
  /** A launch or callback cannot be right, or has a parameter of a wrong form (400): the message says why. */
  readonly FST_CLOVER_STATE: CloverErrorClass<'FST_CLOVER_STATE'>
  /** A webhook lacks the right `X-Clover-Auth` (401), is for another app (400), or has events that `onEvent` did not all take (503). */
  readonly FST_CLOVER_WEBHOOK: CloverErrorClass<'FST_CLOVER_WEBHOOK'>
  /** The record was made by another app or environment (500): give each a store of its own. */
  readonly FST_CLOVER_OTHER_APP: CloverErrorClass<'FST_CLOVER_OTHER_APP'>
  /** The record belongs to another `deployment`, which `cause` names (500): give each a store of its own. */
  readonly FST_CLOVER_OTHER_DEPLOYMENT: CloverErrorClass<'FST_CLOVER_OTHER_DEPLOYMENT'>
  /** The record does not open with the keys of `encryptedStorage` (500): the message says why. */
  readonly FST_CLOVER_SEALED: CloverErrorClass<'FST_CLOVER_SEALED'>
  /** The stored record is damaged (500): the merchant's next authorization replaces it, and `disconnect` deletes it. */
  readonly FST_CLOVER_UNREADABLE: CloverErrorClass<'FST_CLOVER_UNREADABLE'>
  /** `fetch` or `paginate` was given an address that is not Clover's (500): no token was sent. */
  readonly FST_CLOVER_FOREIGN_URL: CloverErrorClass<'FST_CLOVER_FOREIGN_URL'>
  /** The environment has no service for public keys of ecommerce, or Clover has disabled the merchant's key (500): the message says which. */
  readonly FST_CLOVER_NO_ECOMMERCE: CloverErrorClass<'FST_CLOVER_NO_ECOMMERCE'>
  /** The server is closing (503). */
  readonly FST_CLOVER_CLOSING: CloverErrorClass<'FST_CLOVER_CLOSING'>
} = {
  FST_CLOVER_NOT_CONNECTED: createError('FST_CLOVER_NOT_CONNECTED',
    '%s: send the merchant\'s browser to the launch route first.', 409),
  FST_CLOVER_REAUTHORIZATION_REQUIRED: createError('FST_CLOVER_REAUTHORIZATION_REQUIRED',
    'Clover accepts no stored token of merchant %s any more: send the merchant\'s browser to the launch route to authorize again.', 409),
  FST_CLOVER_UNAVAILABLE: createError('FST_CLOVER_UNAVAILABLE',
    '%s: try again in %s.', 503),
  FST_CLOVER_BAD_REPLY: createError('FST_CLOVER_BAD_REPLY',
    'Clover\'s reply does not have the documented form (%s): nothing of it was used. Check that the environment\'s origins are right.', 502),
  FST_CLOVER_STORAGE: createError('FST_CLOVER_STORAGE',
    'The storage adapter failed in %s: the reason is in the server\'s log.', 503),
  FST_CLOVER_INVALID_OPTIONS: createError('FST_CLOVER_INVALID_OPTIONS', '%s', 500),
  FST_CLOVER_INVALID_MERCHANT_ID: createError('FST_CLOVER_INVALID_MERCHANT_ID',
    'The merchant id must be a string of 13 characters from A-Z and 0-9, as Clover gives it.', 400),
  FST_CLOVER_MERCHANT_MISMATCH: createError('FST_CLOVER_MERCHANT_MISMATCH',
    'The authorization does not belong to merchant %s: nothing was stored. Open the app from that merchant\'s Clover dashboard.', 403),
  FST_CLOVER_PERMISSION: createError('FST_CLOVER_PERMISSION',
    'Clover refused to let the app read merchant %s: enable the %s permission for the app in Clover\'s developer dashboard and install it again, and open the app as that same merchant.', 403),
  FST_CLOVER_DENIED: createError('FST_CLOVER_DENIED', 'The authorization was not granted: %s', 403),
  FST_CLOVER_STATE: createError('FST_CLOVER_STATE', '%s', 400),
  FST_CLOVER_WEBHOOK: createError('FST_CLOVER_WEBHOOK', '%s', 401),
  FST_CLOVER_OTHER_APP: createError('FST_CLOVER_OTHER_APP',
    'The record of merchant %s was made by another app or environment: give each app and environment a store (table or key prefix) of its own.', 500),
  FST_CLOVER_OTHER_DEPLOYMENT: createError('FST_CLOVER_OTHER_DEPLOYMENT',
    'The record of merchant %s belongs to another deployment, so it was not used: give each deployment a store (table or key prefix) of its own. If the store was moved here on purpose, set the option deployment: { name, takeOver, until }.', 500),
  FST_CLOVER_SEALED: createError('FST_CLOVER_SEALED',
    'The record of merchant %s does not open at %s: %s. Check the keys of encryptedStorage; a record that is beyond repair can be disconnected.', 500),
  FST_CLOVER_UNREADABLE: createError('FST_CLOVER_UNREADABLE',
    'The stored record of merchant %s cannot be read (%s): send the merchant\'s browser to the launch route, which replaces the record, or disconnect the merchant.', 500),
  FST_CLOVER_FOREIGN_URL: createError('FST_CLOVER_FOREIGN_URL',
    'A merchant\'s token goes only to Clover: give a path such as /v3/merchants/{mId}/orders, or a URL of the environment\'s api or ecommerce origin.', 500),
  FST_CLOVER_NO_ECOMMERCE: createError('FST_CLOVER_NO_ECOMMERCE', 'There is no ecommerce key: %s', 500),
  FST_CLOVER_CLOSING: createError('FST_CLOVER_CLOSING', 'The server is closing: send the request again, to another one.', 503)
}

/**
 * Whether a value is an error of this plugin.
 *
 * @param code if given, also whether it has this code
 */
export function isCloverError (error: unknown, code?: CloverErrorCode): error is CloverError {
  if (!(error instanceof Error) || !('code' in error)) return false
  return code === undefined ? Object.hasOwn(errorCodes, String(error.code)) : error.code === code
}

type Details = Pick<CloverError, 'merchantId' | 'retryAfter' | 'launchUrl' | 'headers'>

function make (code: CloverErrorCode, args: string[], details: Details = {}, cause?: Error): CloverError {
  const error: CloverError = new errorCodes[code](...args)
  // Not enumerable, like JavaScript's own: a cause is for the log, and must not be copied or sent with the error.
  if (cause !== undefined) Object.defineProperty(error, 'cause', { value: cause, writable: true, configurable: true })
  return Object.assign(error, details)
}

/** @internal No installation is stored for the merchant. */
export const notConnected = (merchantId: string) => make('FST_CLOVER_NOT_CONNECTED', [`Merchant ${merchantId} is not connected`], { merchantId })

/** @internal A request without a known merchant. */
export const nobodyConnected = (launchUrl: string) => make('FST_CLOVER_NOT_CONNECTED', ['The request comes from no connected merchant'], { launchUrl })

/** @internal Clover refuses every stored token of the merchant. */
export const reauthorizationRequired = (merchantId: string, launchUrl?: string) =>
  make('FST_CLOVER_REAUTHORIZATION_REQUIRED', [merchantId], launchUrl === undefined ? { merchantId } : { merchantId, launchUrl })

/** @internal `retryAfter` in seconds, at least 1. */
export function unavailable (reason: string, retryAfter?: number, merchantId?: string): CloverError {
  return tryAgain(`Clover gave no usable answer (${reason})`, retryAfter, merchantId)
}

/** @internal `retryAfter` in seconds, at least 1. */
export function tooManyVisits (retryAfter: number, merchantId?: string): CloverError {
  return tryAgain('Too many people are opening the app at once', retryAfter, merchantId)
}

function tryAgain (what: string, retryAfter = 1, merchantId?: string): CloverError {
  const seconds = Math.max(1, Math.ceil(retryAfter))
  return make('FST_CLOVER_UNAVAILABLE', [what, seconds === 1 ? '1 second' : `${seconds} seconds`], {
    ...retryIn(seconds), ...(merchantId !== undefined && { merchantId })
  })
}

/** When another try makes sense, for the caller and in the reply. */
const retryIn = (seconds: number) => ({ retryAfter: seconds, headers: { 'retry-after': String(seconds) } })

/** @internal Clover's reply does not have its documented form. */
export const badReply = (reason: string, merchantId?: string) =>
  make('FST_CLOVER_BAD_REPLY', [reason], merchantId === undefined ? {} : { merchantId })

/** @internal Somebody disconnected the merchant, or connected it, while an authorization was stored. */
export const recordChanged = (merchantId: string) =>
  unavailable('the merchant\'s record changed while the authorization was stored: open the app from Clover again', 1, merchantId)

/**
 * @internal `reason` and `cause` must already be free of secrets. They are only for the log: a database's message names hosts and users,
 * and the error's own message may reach a stranger.
 */
export const storageFailed = (method: string, reason: string, merchantId?: string, cause = new Error(reason)) =>
  make('FST_CLOVER_STORAGE', [method], merchantId === undefined ? {} : { merchantId }, cause)

/** @internal The message of an error and its cause, for an operator. */
export function reasonOf (error: unknown): string {
  const { message, cause } = error as Error
  return cause instanceof Error ? `${message} (${cause.message})` : message
}

/** @internal A line for each wrong option: its name and what it must be, never its value. */
export const invalidOptions = (sentences: string[]) => make('FST_CLOVER_INVALID_OPTIONS', [sentences.join('\n')])

/** @internal A merchant id that is not in Clover's form. It is not quoted: anybody may have written it. */
export const invalidMerchantId = () => make('FST_CLOVER_INVALID_MERCHANT_ID', [])

/** @internal The authorization is another merchant's. */
export const merchantMismatch = (merchantId: string) => make('FST_CLOVER_MERCHANT_MISMATCH', [merchantId], { merchantId })

/** @internal Clover refuses because of a permission of the app, such as `Read merchant`. */
export const permissionMissing = (merchantId: string, permission: string) =>
  make('FST_CLOVER_PERMISSION', [merchantId, permission], { merchantId })

/** @internal The merchant did not approve, or Clover did not accept the code. `reason` is a sentence that says what to do. */
export const denied = (reason: string, merchantId?: string) =>
  make('FST_CLOVER_DENIED', [reason], merchantId === undefined ? {} : { merchantId })

/** @internal A launch or a callback that cannot be right. `sentence` says why, and what to do. */
export const badState = (sentence: string) => make('FST_CLOVER_STATE', [sentence])

/** @internal A webhook that is not Clover's (401), or not for this app (400). */
export const webhookRefused = (sentence: string, statusCode = 401) => Object.assign(make('FST_CLOVER_WEBHOOK', [sentence]), { statusCode })

/**
 * @internal A webhook whose events the host did not all take (503).
 *
 * @param missed how many of the `all` events that were given to it
 */
export function eventsNotTaken (missed: number, all: number): CloverError {
  const sentence = `onEvent did not take ${missed} of ${all} ${all === 1 ? 'event' : 'events'}: send the webhook again. The reason is in the server's log, unless a call has not ended.`
  return Object.assign(webhookRefused(sentence, 503), retryIn(1))
}

/** @internal A record that another app or environment made. */
export const otherApp = (merchantId: string) => make('FST_CLOVER_OTHER_APP', [merchantId], { merchantId })

/**
 * @internal The names of both deployments are only in the cause, which is for the log: the message may reach a stranger.
 *
 * @param stored the record's deployment; not quoted if it is no name of one
 * @param own this server's deployment
 */
export function otherDeployment (merchantId: string, stored: string, own: string): CloverError {
  const named = isDeploymentName(stored) ? stored : 'a deployment that has no proper name'
  return make('FST_CLOVER_OTHER_DEPLOYMENT', [merchantId], { merchantId }, new Error(`the record belongs to ${named}, and this server to ${own}`))
}

/** The deployments of records that do not open, by their errors. */
const sealedDeployments = new WeakMap<Error, string>()

/**
 * @internal `reason` names a key id at most.
 *
 * @param deployment that of the record, which is not sealed
 */
export function recordSealed (merchantId: string, field: string, reason: string, deployment?: string): CloverError {
  const error = make('FST_CLOVER_SEALED', [merchantId, field, reason], { merchantId })
  if (deployment !== undefined) sealedDeployments.set(error, deployment)
  return error
}

/** @internal The deployment of the record that an error of {@link recordSealed} is about, if it has one. */
export const deploymentOfSealed = (error: Error): string | undefined => sealedDeployments.get(error)

/** @internal `reason` names a field at most. */
export const recordUnreadable = (merchantId: string, reason: string) => make('FST_CLOVER_UNREADABLE', [merchantId, reason], { merchantId })

/** @internal An address that is not Clover's. It is not quoted: it may hold a secret. */
export const foreignUrl = (merchantId: string) => make('FST_CLOVER_FOREIGN_URL', [], { merchantId })

/** @internal `sentence` says why, and what to do. */
export const noEcommerce = (sentence: string, merchantId: string) => make('FST_CLOVER_NO_ECOMMERCE', [sentence], { merchantId })

/** @internal The server is closing, and begins nothing new. */
export const closing = () => make('FST_CLOVER_CLOSING', [])
