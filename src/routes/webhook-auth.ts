import { createHash, timingSafeEqual } from 'node:crypto'
import { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { Compiled } from '../checks/compiled.js'
import { webhookRefused } from '../errors.js'
import { WebhookVerification } from './schemas.js'

/** The most bytes that are read of a body without a valid `X-Clover-Auth`: a verification is shorter. */
const strangersLimit = 1024

const verification = new Compiled(WebhookVerification)

/** @internal Whether a body is Clover's verification of the route. */
export function isVerification (body: unknown): body is WebhookVerification {
  return verification.accepts(body)
}

/** @internal Lets only Clover use the webhook route. */
export interface WebhookGuard {
  /** Whether the request has the `X-Clover-Auth` that only Clover and the developer know. */
  isFromClover (request: FastifyRequest): boolean
  /** The body as it arrives; from a stranger at most as many bytes as a verification has. */
  preParsing (request: FastifyRequest, reply: unknown, payload: Readable): Promise<Readable>
  /** Refuses a stranger whose body is not a verification. */
  preValidation (request: FastifyRequest): Promise<void>
}

/**
 * @internal Makes the guard of the webhook route.
 *
 * Clover does not sign webhooks: each event has the same value in `X-Clover-Auth`, and the verification, which sets up a route, has none.
 * Source: https://docs.clover.com/dev/docs/webhooks
 */
export function webhookGuard (auth: string[], onRefused: (reason: string) => void): WebhookGuard {
  const accepted = auth.map(digest)

  /** Compares with every accepted value, each in constant time. Node joins a repeated header, so it matches none. */
  const isFromClover = ({ headers: { 'x-clover-auth': value } }: FastifyRequest): boolean => {
    const given = digest(String(value))
    return accepted.filter(one => timingSafeEqual(one, given)).length > 0
  }

  const refuse = ({ headers }: FastifyRequest): Error => {
    const reason = accepted.length === 0
      ? 'routes.webhook.auth is not set yet'
      : headers['x-clover-auth'] === undefined ? 'it has no X-Clover-Auth' : 'its X-Clover-Auth is not that of routes.webhook.auth'
    onRefused(reason)
    return webhookRefused('X-Clover-Auth is missing or wrong: only Clover may send events here.')
  }

  return {
    isFromClover,
    preParsing: async (request, _reply, payload) => isFromClover(request) ? payload : limited(payload, () => refuse(request)),
    preValidation: async request => {
      if (!isFromClover(request) && !isVerification(request.body)) throw refuse(request)
    }
  }
}

function digest (text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/**
 * The body, which fails after `strangersLimit` bytes. It starts to read the request only once it is read itself, and lets the rest of the request
 * flow unread, as Fastify does with a body that is too large.
 */
function limited (payload: Readable, refuse: () => Error): Readable {
  let size = 0
  let hasStarted = false
  let isRead = false
  const refuseIfTooLong = () => {
    if (isRead && size > strangersLimit && !part.destroyed) part.destroy(refuse())
  }
  const start = () => {
    hasStarted = true
    payload.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= strangersLimit) part.push(chunk)
      refuseIfTooLong()
    })
    payload.once('end', () => part.push(null))
    payload.once('error', error => part.destroy(error))
  }
  const part = new Readable({
    read: () => {
      isRead = true
      if (!hasStarted) start()
      refuseIfTooLong()
    }
  })
  part.on('error', () => {}) // without a reader, the error would end the process
  if (payload.readableFlowing) start() // a hook of the host reads the request too
  return part
}
