import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema, HTTPMethods, RouteHandlerMethod, RouteShorthandOptions } from 'fastify'
import type { CloverRouteOptions } from '../options/options.js'
import { setPrivateHeaders } from './pages.js'
import { redactingSerializers } from './redaction.js'

/** Keeps `@fastify/swagger` from passing these JSON schemas to a transform of the host, such as Zod's. */
const plainDocument = { swaggerTransform: false } as NonNullable<CloverRouteOptions['config']>

/** @internal How a route handles errors: its own, and those of its validation. */
export interface RouteErrors {
  errorHandler: NonNullable<CloverRouteOptions['errorHandler']>
  schemaErrorFormatter: NonNullable<RouteShorthandOptions['schemaErrorFormatter']>
}

/**
 * @internal Adds one of the plugin's routes. Also answers its path with other methods (405) and with a doubled slash (404), since the host's 404
 * handler would log and echo the URL.
 *
 * @param answered the methods handled on this path; all others get 405. Empty: another route registers the 405
 */
export function addRoute (
  scope: FastifyInstance, method: 'GET' | 'POST', { path, schema, guard, ...options }: CloverRouteOptions & { path: string, guard?: string, bodyLimit?: number },
  own: FastifySchema, handler: unknown, errors?: RouteErrors,
  answered: string[] = [method]
): void {
  const logSerializers = redactingSerializers(scope.log)
  const { constraints, config } = options
  const refuse = (_request: FastifyRequest, reply: FastifyReply) => refuseMethod(reply, answered)
  for (const url of paths(scope, path)) {
    scope.route({
      ...errors,
      ...options,
      method,
      url,
      exposeHeadRoute: false, // a HEAD request would spend the code
      schema: { ...own, ...schema, ...(url !== path && { hide: true }) } as FastifySchema,
      config: { ...plainDocument, ...config } as NonNullable<CloverRouteOptions['config']>,
      logSerializers,
      handler: handler as RouteHandlerMethod
    })
    if (answered.length === 0) continue
    // Without these the host's 404 handler would log and echo the URL.
    scope.route({
      method: scope.supportedMethods.filter(other => !answered.includes(other)) as HTTPMethods[],
      url,
      ...(constraints && { constraints }),
      schema: { hide: true } as FastifySchema,
      config: plainDocument,
      logSerializers,
      onRequest: refuse, // before a body is read
      handler: refuse
    })
  }
  for (const url of answered.length === 0 ? [] : doubledSlashes(scope, path)) {
    scope.route({
      method: scope.supportedMethods as HTTPMethods[],
      url,
      ...(constraints && { constraints }),
      schema: { hide: true } as FastifySchema,
      config: plainDocument,
      logSerializers,
      onRequest: refuseDoubledSlash,
      handler: refuseDoubledSlash
    })
  }
}

interface RouterOptions {
  ignoreTrailingSlash?: boolean
  ignoreDuplicateSlashes?: boolean
}

function routerOptions (scope: FastifyInstance): RouterOptions {
  const { routerOptions, ...rest } = scope.initialConfig as RouterOptions & { routerOptions?: RouterOptions }
  return { ...rest, ...routerOptions }
}

/** The path, and the path with a slash at its end if the host's router treats the two as different. */
function paths (scope: FastifyInstance, path: string): string[] {
  return routerOptions(scope).ignoreTrailingSlash ? [path] : [path, `${path}/`]
}

/**
 * The paths with one slash doubled, as a misconfigured proxy sends them. They are refused, since a proxy that guards a path does not guard these.
 */
function doubledSlashes (scope: FastifyInstance, path: string): Set<string> {
  if (routerOptions(scope).ignoreDuplicateSlashes) return new Set()
  const doubled = paths(scope, path).flatMap(url => [...url.matchAll(/\//g)].map(({ index }) => `${url.slice(0, index)}/${url.slice(index)}`))
  return new Set([...doubled, `${path}//`])
}

function refuseDoubledSlash (_request: FastifyRequest, reply: FastifyReply): void {
  setPrivateHeaders(reply)
  reply.code(404).type('application/json; charset=utf-8').send(JSON.stringify({
    statusCode: 404, error: 'Not Found', message: 'The path has a doubled slash: check how the proxy in front of the app joins paths.'
  }))
}

function refuseMethod (reply: FastifyReply, allowed: string[]): void {
  setPrivateHeaders(reply)
  reply.code(405).header('allow', allowed.join(', ')).type('application/json; charset=utf-8').send(JSON.stringify({
    statusCode: 405, error: 'Method Not Allowed', message: `This route answers only ${allowed.join(' and ')}.`
  }))
}
