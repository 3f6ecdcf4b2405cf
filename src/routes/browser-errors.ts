import type { FastifyReply, FastifyRequest } from 'fastify'
import { badState, errorCodes, isCloverError, type CloverError } from '../errors.js'
import type { RouteErrors } from './add-route.js'
import { hostErrors } from './callback.js'
import type { RouteContext } from './context.js'
import { sendPage, setPrivateHeaders } from './pages.js'
import { forgetQuery } from './redaction.js'
import { wrongReturnTo } from './return-to.js'

/**
 * @internal Errors of launch and callback: to `onError`, or to a browser as a page, or on to the host's error handler. Each has a code of the
 * plugin's, and a sentence for a merchant.
 */
export function browserErrors ({ hooks, launchPath, appMarketUrl }: RouteContext): RouteErrors {
  const tryAgain = launchPath === undefined ? [] : [{ href: launchPath, text: 'Try again' }]
  const install = appMarketUrl === undefined ? [] : [{ href: appMarketUrl, text: 'See the app in Clover\'s App Market' }]

  async function errorHandler (thrown: Error, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    setPrivateHeaders(reply)
    const error = ownError(thrown)
    if (error === undefined) throw thrown
    forgetQuery(request)
    const { statusCode, headers = {} } = error
    reply.headers(headers)
    if (hooks.onError) return replyByHost(hooks.onError, request, reply.code(statusCode), error)
    if (!String(request.headers.accept).includes('text/html')) throw error
    request.log.info({ err: error }, 'fastify-clover: a launch or callback failed')
    return sendPage(reply.code(statusCode), {
      title: titleOf(error),
      text: error.message,
      code: error.code,
      // A failure of a server is not mended by installing the app.
      links: statusCode < 500 ? [...tryAgain, ...install] : tryAgain
    })
  }

  return { errorHandler, schemaErrorFormatter }
}

/**
 * An error of the plugin, or undefined for one of the host's, whose hooks may throw anything. What Fastify says of a form that it cannot read is not
 * for a merchant.
 */
function ownError (error: unknown): CloverError | undefined {
  if (!(error instanceof Error) || hostErrors.has(error)) return undefined
  if (isCloverError(error)) return error
  const { code, statusCode = 400 } = error as Partial<CloverError>
  if (!String(code).startsWith('FST_ERR_CTP_')) return undefined
  return Object.assign(badState('The form is not as this site\'s page sends it: open the app from Clover again.'), { statusCode })
}

/** A merchant cannot do anything with a pattern; whoever made the link finds the parameter's name. */
function schemaErrorFormatter ([error]: Array<{ instancePath: string }>): Error {
  const [, name = ''] = String(error?.instancePath).split('/')
  return badState(name === 'return_to' ? wrongReturnTo : `The link that led here is damaged (${name}): open the app from Clover again.`)
}

/** The host's reply to an error; the error's status is set, so that one which does not think of it is no success. */
async function replyByHost (onError: NonNullable<RouteContext['hooks']['onError']>, request: FastifyRequest, reply: FastifyReply, error: CloverError): Promise<unknown> {
  try {
    return await onError(request, reply, error)
  } catch (thrown) {
    if (!reply.sent) reply.code(200) // unset, for Fastify: what was thrown brings its own
    throw thrown
  }
}

function titleOf (error: CloverError): string {
  if (error instanceof errorCodes.FST_CLOVER_DENIED) return 'The app was not connected'
  return error.statusCode >= 500 ? 'That did not work just now' : 'The app could not be opened'
}
