import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import type { TSchema } from '@sinclair/typebox'
import type { FastifyInstance, FastifySchemaCompiler } from 'fastify'
import type { CloverRouteOptions } from '../options/options.js'
import type { ResolvedRoutes } from '../options/resolve-routes.js'
import { addRoute, type RouteErrors } from './add-route.js'
import { browserErrors } from './browser-errors.js'
import { callbackHandlers } from './callback.js'
import type { RouteContext } from './context.js'
import { takeForm } from './implicit.js'
import { launchHandler } from './launch.js'
import { refreshHandler } from './refresh.js'
import { forStrangers } from './require-merchant.js'
import { routeSchemas } from './schemas.js'
import { statusHandler } from './status.js'
import { webhookRoute } from './webhook.js'

/**
 * @internal Adds the plugin's routes to a scope of their own.
 *
 * The scope has its own compilers and parses only JSON, so that no setting of the host (another validator, a form parser, other Ajv options)
 * breaks the routes or weakens their checks.
 */
export function addRoutes (scope: FastifyInstance, routes: ResolvedRoutes, context: RouteContext): void {
  scope.setValidatorCompiler(compileLate)
  scope.setSerializerCompiler(() => serialize)
  scope.setReplySerializer(serialize) // a reply serializer of the host would take precedence over the compiler
  scope.setSchemaErrorFormatter((errors, part) => new Error(errors.slice(0, 1).map(({ instancePath, message }) => `${part}${instancePath}: ${message}`).join()))
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('application/json', { parseAs: 'string', bodyLimit: 1024 }, scope.getDefaultJsonParser('error', 'error'))

  const errors = browserErrors(context)
  if (routes.launch) addRoute(scope, 'GET', forStrangers(routes.launch), routeSchemas.launch, launchHandler(context), errors)
  if (routes.callback) addCallback(scope, forStrangers(routes.callback), context, errors)
  if (routes.refresh) addRoute(scope, 'POST', routes.refresh, routeSchemas.refresh, refreshHandler(context))
  if (routes.status) addRoute(scope, 'GET', routes.status, routeSchemas.status, statusHandler(context))
  if (routes.webhook) {
    const { options, handler } = webhookRoute(routes.webhook, context)
    addRoute(scope, 'POST', forStrangers(options), routeSchemas.webhook, handler)
    if (routes.webhook.auth.length === 0) scope.log.warn('fastify-clover: routes.webhook.auth is not set: until it is, the webhook route answers only Clover\'s verification, and refuses events')
  }
}

/** Compiles the check of a route at its first request, so that the registration takes less time. */
const compileLate: FastifySchemaCompiler<TSchema> = route => {
  let validate: ReturnType<typeof TypeBoxValidatorCompiler> | undefined
  return data => {
    validate ??= TypeBoxValidatorCompiler(route)
    return validate(data)
  }
}

/** In the implicit flow the callback's page posts to the callback's path, in a scope of its own that takes forms. */
function addCallback (scope: FastifyInstance, route: CloverRouteOptions & { path: string }, context: RouteContext, errors: RouteErrors): void {
  const { callback, implicit } = callbackHandlers(context)
  if (!context.app.implicit) return addRoute(scope, 'GET', route, routeSchemas.callback, callback, errors)
  addRoute(scope, 'GET', route, routeSchemas.callback, callback, errors, ['GET', 'POST'])
  scope.register(async forms => {
    takeForm(forms)
    addRoute(forms, 'POST', route, routeSchemas.implicit, implicit, errors, [])
  })
}

/** Fastify passes an error as an object that inherits from it: no member is enumerable, so each is read by name. */
function serialize (data: unknown): string {
  if (!(data instanceof Error)) return JSON.stringify(data)
  const { statusCode, code, error, message } = data as Error & { statusCode?: number, code?: string, error?: string }
  return JSON.stringify({ statusCode, code, error, message })
}
