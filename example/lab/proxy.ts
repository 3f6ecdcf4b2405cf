import replyFrom from '@fastify/reply-from'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Servers } from './servers.js'

/** Milliseconds that a request waits for a server while none listens. */
const patience = 15_000

/**
 * Hands each request to the next server in turn.
 *
 * One whose server dies is tried at another: if the connection was refused, since nothing was sent; otherwise if it changes nothing. A callback does: its
 * code works once.
 */
export async function proxy (app: FastifyInstance, { servers }: { servers: Servers }): Promise<void> {
  await app.register(replyFrom, { undici: { connections: 128, pipelining: 1 }, disableRequestLogging: true, disableCache: true, retryMethods: [] })
  app.removeAllContentTypeParsers()
  // Whole bodies, so that they can be sent again; as they came.
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.all('/*', async (_request, reply) => await send(reply, new Set()))

  async function send (reply: FastifyReply, tried: Set<string>): Promise<FastifyReply> {
    const server = await servers.nextOrWait(tried, patience)
    if (server === undefined) return reply.code(503).header('retry-after', 1).send({ statusCode: 503, message: 'No server listens just now.' })
    tried.add(server.origin)
    const { method, url, body } = reply.request
    return reply.from(`${server.origin}${url}`, {
      ...(Buffer.isBuffer(body) && (body.length > 0 ? { body, contentType: String(reply.request.headers['content-type']) } : { body: null })),
      onError: (failed, { error }) => {
        const wasRefused = codeOf(error) === 'ECONNREFUSED'
        if (wasRefused || (['GET', 'HEAD'].includes(method) && !url.startsWith('/clover/callback'))) {
          send(reply, tried).catch((again: Error) => { failed.send(again) })
        } else {
          failed.code(502).send({ statusCode: 502, message: 'The server ended before it had answered: go back, and try again.' })
        }
      }
    })
  }
}

function codeOf (error: Error): unknown {
  const cause = error.cause
  return cause instanceof Error && 'code' in cause ? cause.code : undefined
}
