import { createHash, timingSafeEqual } from 'node:crypto'
import { Readable } from 'node:stream'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { FastifyRequest } from 'fastify'
import { webhookRefused } from '../errors.js'
import { WebhookVerification } from './schemas.js'

/** The most bytes that are read from somebody who has not proven to be Clover: a verification is shorter. */
const strangersLimit = 1024

const verification = TypeCompiler.Compile(WebhookVerification)

/** @internal Whether a body is Clover's verification of the route. */
export function isVerification (body: unknown): body is WebhookVerification {
  return verification.Check(body)
}

/** @internal Keeps everybody but Clover out of the webhook route. */
export interface WebhookGuard {
  /** Whether the request carries the shared value that only Clover and the developer know. */
  isFromClover (request: FastifyRequest): boolean
  /** The body as it arrives; of a stranger no more of it than a verification can have. */
  preParsing (request: FastifyRequest, reply: unknown, payload: Readable): Promise<Readable>
  /** Refuses a stranger whose body is not a verification. */
  preValidation (request: FastifyRequest): Promise<void>
}

/**
 * @internal Makes the guard of the webhook route.
 *
 * Clover signs nothing: each event carries `X-Clover-Auth`, a value that stays the same, and the verification by which a route is set up
 * carries none. Source: https://docs.clover.com/dev/docs/webhooks
 */
export function webhookGuard (auth: string[], onRefused: (reason: string) => void): WebhookGuard {
  const accepted = auth.map(digest)

  /** All are compared, each in a time that tells nothing of it. A header that came twice is joined by Node, and fits none. */
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
 * Ends with an error after some bytes. It touches the request only once it is read, and lets what is left of it run out, as Fastify does
 * with a body that is too large.
 */
function limited (payload: Readable, refuse: () => Error): Readable {
  let size = 0
  let hasBegun = false
  let isRead = false
  const refuseIfTooLong = () => {
    if (isRead && size > strangersLimit && !part.destroyed) part.destroy(refuse())
  }
  const begin = () => {
    hasBegun = true
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
      if (!hasBegun) begin()
      refuseIfTooLong()
    }
  })
  part.on('error', () => {}) // whoever reads it is told; nobody may
  if (payload.readableFlowing) begin() // a hook of the host reads along
  return part
}
