import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'

type Serializer = (value: never) => unknown

/**
 * @internal Log serializers for the plugin's routes, where a URL holds codes and states and a cookie holds a state (rule 14).
 *
 * Fastify logs each request's URL with its query. The host's own serializers still decide what is logged; they get the request without its
 * secrets.
 */
export function redactingSerializers (log: FastifyBaseLogger): Record<string, (value: unknown) => unknown> {
  const own = serializersOf(log)
  return {
    req: value => {
      const shown = isRequest(value) ? withoutSecrets(value) : isMessage(value) ? messageWithoutSecrets(value) : undefined
      return shown ? (own.req ?? defaultRequest)(shown as never) : value
    },
    res: value => {
      const shown = isReply(value) ? withoutSecretHeaders(value) : isResponse(value) ? responseWithoutSecrets(value) : undefined
      return shown ? (own.res ?? defaultReply)(shown as never) : value
    }
  }
}

/**
 * @internal Removes the query from a request's URL once it has been parsed: Fastify quotes the URL in some of its own messages, such as that of a
 * reply sent twice, which no serializer sees. `request.query` stays.
 */
export function forgetQuery ({ raw, url, originalUrl }: FastifyRequest): void {
  Object.assign(raw, { url: withoutQuery(url), originalUrl: withoutQuery(originalUrl) })
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

/** Node's own request, which a host may log too. */
function isMessage (value: unknown): value is IncomingMessage {
  return typeof value === 'object' && value !== null && 'headers' in value && 'url' in value
}

function isResponse (value: unknown): value is ServerResponse {
  return typeof value === 'object' && value !== null && 'getHeaders' in value
}

const secretRequestHeaders = ['cookie', 'authorization', 'referer', 'x-clover-auth']
const secretReplyHeaders = ['set-cookie', 'location']

function withoutSecrets (request: FastifyRequest): FastifyRequest {
  const headers = without(request.headers, secretRequestHeaders)
  const [url, originalUrl] = [request.url, request.originalUrl].map(withoutQuery)
  return withOverrides(request, { url, originalUrl, query: {}, body: undefined, cookies: {}, headers, raw: messageWithoutSecrets(request.raw) })
}

function messageWithoutSecrets (message: IncomingMessage): IncomingMessage {
  const url = withoutQuery(message.url ?? '')
  return withOverrides(message, { url, originalUrl: url, headers: without(message.headers, secretRequestHeaders), rawHeaders: [], headersDistinct: {} })
}

function withoutSecretHeaders (reply: FastifyReply): FastifyReply {
  return withOverrides(reply, { ...headersWithoutSecrets(reply), raw: responseWithoutSecrets(reply.raw), request: withoutSecrets(reply.request) })
}

function responseWithoutSecrets (response: ServerResponse): ServerResponse {
  const req = isMessage(response.req) ? messageWithoutSecrets(response.req) : undefined
  return withOverrides(response, { ...headersWithoutSecrets(response), _header: null, req })
}

function headersWithoutSecrets (holder: { getHeaders (): Record<string, unknown>, getHeader (name: string): unknown }) {
  return {
    getHeaders: () => without(holder.getHeaders(), secretReplyHeaders),
    getHeader: (name: string) => secretReplyHeaders.includes(name.toLowerCase()) ? undefined : holder.getHeader(name)
  }
}

/**
 * A proxy of the object that overrides some properties. Getters and methods still run on the object itself.
 *
 * A copy, JSON or `util.inspect` shows only the overrides: `util.inspect` shows a proxy's target, so the target is an object that has nothing else.
 */
function withOverrides<T extends object> (target: T, overrides: Record<string, unknown>): T {
  const overridesOnly = Object.create(Object.getPrototypeOf(target) as object, Object.getOwnPropertyDescriptors(overrides)) as T
  return new Proxy(overridesOnly, {
    get (_overridesOnly, key) {
      if (Object.hasOwn(overrides, key)) return overrides[String(key)]
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
    has: (_overridesOnly, key) => key in target
  })
}

function without<T extends Record<string, unknown>> (headers: T, secret: string[]): T {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, secret.includes(name) ? '[redacted]' : value])) as T
}

/** A semicolon starts the query if the host's router has `useSemicolonDelimiter`. */
function withoutQuery (url: string): string {
  const end = url.search(/[?;#]/)
  return end === -1 ? url : `${url.slice(0, end)}?[redacted]`
}

/** The same fields as Fastify logs if the host's logger has no serializer. */
function defaultRequest (request: FastifyRequest): unknown {
  return { method: request.method, url: request.url, host: request.host, remoteAddress: request.ip, remotePort: request.socket?.remotePort }
}

function defaultReply (reply: FastifyReply): unknown {
  return { statusCode: reply.statusCode }
}
