import type { FastifyReply, FastifyRequest } from 'fastify'
import { badState, errorCodes, isCloverError, type CloverError } from '../errors.js'
import type { RouteErrors } from './add-route.js'
import { hostErrors } from './callback.js'
import type { RouteContext } from './context.js'
import { sendPage, setPrivateHeaders } from './pages.js'
import { forgetQuery } from './redaction.js'
import { sentences } from './sentences.js'

/**
 * @internal Handles the plugin's errors of launch and callback: calls `onError` if there is one, else sends a browser a page, else throws to the
 * host's error handler.
 */
export function browserErrors ({ hooks, launchPath, appMarketUrl }: RouteContext): RouteErrors {
  const tryAgain = launchPath === undefined ? [] : [{ href: launchPath, text: sentences.error.tryAgain }]
  const install = appMarketUrl === undefined ? [] : [{ href: appMarketUrl, text: sentences.error.appMarket }]

  async function errorHandler (thrown: Error, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    setPrivateHeaders(reply)
    const error = ownError(thrown)
    if (error === undefined) throw thrown
    forgetQuery(request)
    const { statusCode, headers = {} } = error
    reply.headers(headers)
    if (hooks.onError) return replyByHost(hooks.onError, request, reply.code(statusCode), error)
    if (!String(request.headers.accept).includes('text/html')) throw error
    request.log[isOwnFailure(error) ? 'error' : 'info']({ err: error }, 'fastify-clover: a launch or callback failed')
    return sendPage(reply.code(statusCode), {
      title: titleOf(error),
      text: error.message,
      code: error.code,
      // Installing the app does not help against a failure of a server.
      links: statusCode < 500 ? [...tryAgain, ...install] : tryAgain
    })
  }

  return { errorHandler, schemaErrorFormatter }
}

/**
 * The error, if the plugin raised it; undefined for one that a hook of the host threw. Fastify's own error about an unreadable form is replaced: its
 * message is not written for a merchant.
 */
function ownError (error: unknown): CloverError | undefined {
  if (!(error instanceof Error) || hostErrors.has(error)) return undefined
  if (isCloverError(error)) return error
  const { code, statusCode = 400 } = error as Partial<CloverError>
  if (!String(code).startsWith('FST_ERR_CTP_')) return undefined
  return Object.assign(badState(sentences.wrongForm), { statusCode })
}

/** Names the parameter and not its pattern, which means nothing to a merchant. */
function schemaErrorFormatter ([error]: Array<{ instancePath: string }>): Error {
  const [, name = ''] = String(error?.instancePath).split('/')
  return badState(name === 'return_to' ? sentences.wrongReturnTo : sentences.wrongParameter(name))
}

/** The host's reply to an error. The error's status is already set, so that a hook which sets none does not reply with 200. */
async function replyByHost (onError: NonNullable<RouteContext['hooks']['onError']>, request: FastifyRequest, reply: FastifyReply, error: CloverError): Promise<unknown> {
  try {
    return await onError(request, reply, error)
  } catch (thrown) {
    if (!reply.sent) reply.code(200) // Fastify then takes the status of the thrown error
    throw thrown
  }
}

/** Whether the server itself failed. Too many visits, and an outage of Clover, do not count: strangers must not be able to fill the log at level error. */
function isOwnFailure (error: CloverError): boolean {
  return error.statusCode >= 500 && !isCloverError(error, 'FST_CLOVER_UNAVAILABLE') && !isCloverError(error, 'FST_CLOVER_CLOSING')
}

function titleOf (error: CloverError): string {
  if (error instanceof errorCodes.FST_CLOVER_DENIED) return sentences.error.denied
  return error.statusCode >= 500 ? sentences.error.server : sentences.error.request
}
