import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage } from 'node:http'

type Serializer = (value: never) => unknown

/**
 * @internal Log serializers for the plugin's routes, where a URL holds codes and states and a cookie holds a state.
 *
 * Fastify logs each request's URL with its query. The host's own serializers stay in charge of what is logged; they are shown the request
 * without its secrets.
 */
export function redactingSerializers (log: FastifyBaseLogger): Record<string, (value: unknown) => unknown> {
  const own = serializersOf(log)
  return {
    req: value => isRequest(value) ? (own.req ?? defaultRequest)(withoutSecrets(value) as never) : value,
    res: value => isReply(value) ? (own.res ?? defaultReply)(withoutSecretHeaders(value) as never) : value
  }
}

function serializersOf (log: FastifyBaseLogger): Record<string, Serializer | undefined> {
  const serializers: unknown = Reflect.get(log, Symbol.for('pino.serializers'))
  return typeof serializers === 'object' && serializers !== null ? serializers as Record<string, Serializer> : {}
}

function isRequest (value: unknown): value is FastifyRequest {
  return typeof value === 'object' && value !== null && 'raw' in value && 'url' in value
}

function isReply (value: unknown): value is FastifyReply {
  return typeof value === 'object' && value !== null && 'raw' in value && 'statusCode' in value
}

const secretRequestHeaders = ['cookie', 'authorization', 'referer']
const secretReplyHeaders = ['set-cookie', 'location']

function withoutSecrets (request: FastifyRequest): FastifyRequest {
  const headers = without(request.headers, secretRequestHeaders)
  const url = withoutQuery(request.url)
  const raw: IncomingMessage = view(request.raw, { url: withoutQuery(request.raw.url ?? ''), originalUrl: url, headers, rawHeaders: [], headersDistinct: {} })
  return view(request, { url, originalUrl: withoutQuery(request.originalUrl), query: {}, body: undefined, headers, raw })
}

function withoutSecretHeaders (reply: FastifyReply): FastifyReply {
  const getHeaders = () => without(reply.getHeaders(), secretReplyHeaders)
  const getHeader = (name: string) => secretReplyHeaders.includes(name.toLowerCase()) ? undefined : reply.getHeader(name)
  const raw = view(reply.raw, { getHeaders, getHeader, _header: null })
  return view(reply, { getHeaders, getHeader, raw, request: withoutSecrets(reply.request) })
}

/** The same object, some of whose properties read otherwise. Its getters and methods still work on the object itself. */
function view<T extends object> (target: T, overrides: Record<string, unknown>): T {
  return new Proxy(target, {
    get (_target, key) {
      if (typeof key === 'string' && Object.hasOwn(overrides, key)) return overrides[key]
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}

function without<T extends Record<string, unknown>> (headers: T, secret: string[]): T {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, secret.includes(name) ? '[redacted]' : value])) as T
}

function withoutQuery (url: string): string {
  const end = url.indexOf('?')
  return end === -1 ? url : `${url.slice(0, end)}?[redacted]`
}

/** What Fastify logs where the host's logger has no serializer of its own. */
function defaultRequest (request: FastifyRequest): unknown {
  return { method: request.method, url: request.url, host: request.host, remoteAddress: request.ip, remotePort: request.socket?.remotePort }
}

function defaultReply (reply: FastifyReply): unknown {
  return { statusCode: reply.statusCode }
}
