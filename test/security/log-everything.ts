import { inspect } from 'node:util'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import pino from 'pino'

/** Options of `inspect` that show every property. */
export const shown = { depth: 12, showHidden: true, getters: true, maxArrayLength: 1000, maxStringLength: 100_000 } as const

/** Serializers that log every property of requests, replies and errors. */
export const verboseSerializers = {
  req: (request: FastifyRequest) => ({
    method: request.method,
    url: request.url,
    originalUrl: request.originalUrl,
    query: request.query,
    body: request.body,
    headers: request.headers,
    rawHeaders: request.raw?.rawHeaders,
    distinct: request.raw?.headersDistinct,
    raw: request.raw,
    whole: { ...request },
    copy: { ...request.raw },
    seen: inspect(request, { depth: 3, showHidden: true }),
    seenRaw: inspect(request.raw, { depth: 3, showHidden: true })
  }),
  res: (reply: FastifyReply) => ({
    statusCode: reply.statusCode,
    headers: reply.getHeaders(),
    location: reply.getHeader('Location'),
    raw: reply.raw,
    whole: { ...reply },
    copy: { ...reply.raw },
    request: reply.request,
    seen: inspect(reply, { depth: 3, showHidden: true }),
    seenRaw: inspect(reply.raw, { depth: 3, showHidden: true })
  }),
  err: (error: Error) => ({ ...pino.stdSerializers.err(error), all: inspect(error, shown), own: { ...error } })
}

/** Adds hooks that log each request and reply again. */
export function addVerboseHooks (app: FastifyInstance): void {
  app.addHook('onRequest', async request => { request.log.debug({ req: request }, 'the host says') })
  app.addHook('onRequest', async request => { request.log.debug({ req: request.raw }, 'the host says, of the raw request') })
  app.addHook('onError', async (request, reply, err) => { request.log.debug({ req: request, res: reply, err }, 'the host says') })
  app.addHook('onResponse', async (request, reply) => { request.log.debug({ req: request, res: reply }, 'the host says') })
  app.addHook('onResponse', async (request, reply) => { request.log.debug({ req: request.raw, res: reply.raw }, 'the host says, of the raw ones') })
}
