import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema, HTTPMethods, RouteHandlerMethod } from 'fastify'
import { errorCodes, isCloverError } from '../errors.js'
import type { CloverRouteOptions } from '../options.js'
import type { ResolvedRoutes } from '../resolve-options.js'
import { callbackHandler, hostErrors } from './callback.js'
import type { RouteContext } from './context.js'
import { launchHandler } from './launch.js'
import { sendPage, setPrivateHeaders } from './pages.js'
import { forgetQuery, redactingSerializers } from './redaction.js'
import { refreshHandler } from './refresh.js'
import { routeSchemas } from './schemas.js'

/**
 * @internal Adds the plugin's routes to a scope of their own.
 *
 * The scope has its own compilers and a JSON parser alone, so that no setting of the host (another validator, a form parser, other Ajv
 * options) breaks the routes or opens them.
 */
export function addRoutes (scope: FastifyInstance, routes: ResolvedRoutes, context: RouteContext): void {
  scope.setValidatorCompiler(TypeBoxValidatorCompiler)
  scope.setSerializerCompiler(() => serialize)
  scope.setSchemaErrorFormatter((errors, part) => new Error(errors.slice(0, 1).map(({ instancePath, message }) => `${part}${instancePath}: ${message}`).join()))
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('application/json', { parseAs: 'string', bodyLimit: 1024 }, scope.getDefaultJsonParser('error', 'error'))

  const onBrowserError = browserErrorHandler(context)
  if (routes.launch) addRoute(scope, 'GET', routes.launch, routeSchemas.launch, launchHandler(context), onBrowserError)
  if (routes.callback) addRoute(scope, 'GET', routes.callback, routeSchemas.callback, callbackHandler(context), onBrowserError)
  if (routes.refresh) addRoute(scope, 'POST', routes.refresh, routeSchemas.refresh, refreshHandler(context))
}

/** Fastify hands over an error as an object that inherits from it, none of whose members is enumerable. */
function serialize (data: unknown): string {
  if (!(data instanceof Error)) return JSON.stringify(data)
  const { statusCode, code, error, message } = data as Error & { statusCode?: number, code?: string, error?: string }
  return JSON.stringify({ statusCode, code, error, message })
}

/** Keeps `@fastify/swagger` from handing JSON schemas to a transform that the host has for its own, such as Zod's. */
const plainDocument = { swaggerTransform: false } as NonNullable<CloverRouteOptions['config']>

type ErrorHandler = NonNullable<CloverRouteOptions['errorHandler']>

function addRoute (
  scope: FastifyInstance, method: 'GET' | 'POST', { path, schema, guard, ...options }: CloverRouteOptions & { path: string, guard?: string },
  own: FastifySchema, handler: unknown, errorHandler?: ErrorHandler
): void {
  const logSerializers = redactingSerializers(scope.log)
  const { constraints, config } = options
  const refuse = (_request: FastifyRequest, reply: FastifyReply) => refuseMethod(reply, method)
  for (const url of paths(scope, path)) {
    scope.route({
      ...(errorHandler && { errorHandler }),
      ...options,
      method,
      url,
      exposeHeadRoute: false, // a HEAD request would spend the code
      schema: { ...own, ...schema, ...(url !== path && { hide: true }) } as FastifySchema,
      config: { ...plainDocument, ...config } as NonNullable<CloverRouteOptions['config']>,
      logSerializers,
      handler: handler as RouteHandlerMethod
    })
    // Without these the host's 404 handler would log and echo the URL.
    scope.route({
      method: scope.supportedMethods.filter(other => other !== method) as HTTPMethods[],
      url,
      ...(constraints && { constraints }),
      schema: { hide: true } as FastifySchema,
      config: plainDocument,
      logSerializers,
      onRequest: refuse, // before a body is read
      handler: refuse
    })
  }
}

/** The path, and the same with a slash at its end where the host tells the two apart. */
function paths (scope: FastifyInstance, path: string): string[] {
  const { ignoreTrailingSlash, routerOptions } = scope.initialConfig as { ignoreTrailingSlash?: boolean, routerOptions?: { ignoreTrailingSlash?: boolean } }
  return ignoreTrailingSlash || routerOptions?.ignoreTrailingSlash ? [path] : [path, `${path}/`]
}

function refuseMethod (reply: FastifyReply, allowed: string): void {
  setPrivateHeaders(reply)
  reply.code(405).header('allow', allowed).type('application/json; charset=utf-8').send(JSON.stringify({
    statusCode: 405, error: 'Method Not Allowed', message: `This route answers ${allowed} alone.`
  }))
}

/** Errors of launch and callback: to `onError`, or to a browser as a page, or on to the host's error handler. */
function browserErrorHandler ({ hooks, launchPath }: RouteContext): ErrorHandler {
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
      ...(launchPath !== undefined && { link: { href: launchPath, text: 'Try again' } })
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
