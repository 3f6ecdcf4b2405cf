import type { FastifyReply, FastifyRequest } from 'fastify'
import { errorCodes, isCloverError } from '../errors.js'
import type { ErrorHandler } from './add-route.js'
import { hostErrors } from './callback.js'
import type { RouteContext } from './context.js'
import { sendPage, setPrivateHeaders } from './pages.js'
import { forgetQuery } from './redaction.js'

/** @internal Errors of launch and callback: to `onError`, or to a browser as a page, or on to the host's error handler. */
export function browserErrorHandler ({ hooks, launchPath, appMarketUrl }: RouteContext): ErrorHandler {
  const tryAgain = launchPath === undefined ? [] : [{ href: launchPath, text: 'Try again' }]
  const install = appMarketUrl === undefined ? [] : [{ href: appMarketUrl, text: 'See the app in Clover\'s App Market' }]
  return async function onBrowserError (error: Error, request: FastifyRequest, reply: FastifyReply) {
    setPrivateHeaders(reply)
    const isOurs = !hostErrors.has(error) && (isCloverError(error) || isValidation(error))
    if (!isOurs) throw error
    forgetQuery(request)
    const statusCode = isCloverError(error) ? error.statusCode : 400
    if (isCloverError(error) && error.headers) reply.headers(error.headers)
    if (hooks.onError) return replyByHost(hooks.onError, request, reply.code(statusCode), error)
    if (!String(request.headers.accept).includes('text/html')) throw error
    request.log.info({ err: error }, 'fastify-clover: a launch or callback failed')
    return sendPage(reply.code(statusCode), {
      title: titleOf(error, statusCode),
      text: error.message,
      code: isCloverError(error) ? error.code : 'FST_ERR_VALIDATION',
      // A failure of a server is not mended by installing the app.
      links: statusCode < 500 ? [...tryAgain, ...install] : tryAgain
    })
  }
}

/** The host's reply to an error; the error's status is set, so that one which does not think of it is no success. */
async function replyByHost (onError: NonNullable<RouteContext['hooks']['onError']>, request: FastifyRequest, reply: FastifyReply, error: Error): Promise<unknown> {
  try {
    return await onError(request, reply, error)
  } catch (thrown) {
    if (!reply.sent) reply.code(200) // unset, for Fastify: what was thrown brings its own
    throw thrown
  }
}

/** A host's hook may throw anything. */
function isValidation (error: unknown): boolean {
  return error instanceof Error && 'validation' in error
}

function titleOf (error: Error, statusCode: number): string {
  if (error instanceof errorCodes.FST_CLOVER_DENIED) return 'The app was not connected'
  return statusCode >= 500 ? 'That did not work just now' : 'The app could not be opened'
}
