import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import secureSession from '@fastify/secure-session'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Settings } from './settings.js'

declare module '@fastify/secure-session' {
  interface SessionData {
    /** Who is logged in: set in `onConnect` alone, once Clover has said who it is. */
    merchantId: string
    /** Whether the operator is logged in. */
    operator: boolean
    /** A sentence for the next page. */
    notice: string
  }
}

/** Sessions in an encrypted cookie. */
export const sessions = fp(async (app: FastifyInstance, { key, isSecure }: { key: Buffer, isSecure: boolean }) => {
  await app.register(secureSession, {
    cookieName: 'daybook',
    key,
    // Lax, not strict: a merchant who comes from Clover by a link must arrive with the session.
    cookie: { path: '/', httpOnly: true, sameSite: 'lax', secure: isSecure }
  })
})

/** The key that encrypts sessions: the one given, else one that is made once and kept in a file beside the database. */
export function sessionKey ({ sessionKey, database }: Settings): Buffer {
  if (sessionKey !== undefined) return Buffer.from(sessionKey, 'base64')
  const file = `${database}-session-key`
  if (!existsSync(file)) writeFileSync(file, randomBytes(32), { mode: 0o600 })
  return readFileSync(file)
}

/**
 * Refuses what another site makes a browser send (CSRF), beside the cookie's SameSite: browsers say where a request comes from.
 *
 * Clients that say nothing, such as curl, have no cookie that could be misused.
 */
export function requireSameSite (baseUrl: string) {
  return async (request: FastifyRequest): Promise<void> => {
    if (request.method === 'GET' || request.method === 'HEAD') return
    const { origin = baseUrl, 'sec-fetch-site': site = 'same-origin' } = request.headers
    if (origin !== baseUrl || site !== 'same-origin') throw refusal(403, 'This request came from another site.')
  }
}

/** Guards what is for the operator. */
export async function requireOperator (request: FastifyRequest): Promise<void> {
  if (request.session.get('operator') !== true) throw refusal(401, 'This is for the operator: log in at /operator.')
}

/** Whether two texts are the same, in a time that tells nothing. */
export function isSameText (one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(one), digest(other))
}

/** The notice for this page, which is then gone. */
export function takeNotice ({ session }: FastifyRequest): string | undefined {
  const notice = session.get('notice')
  if (notice !== undefined) session.set('notice', undefined)
  return notice
}

function refusal (statusCode: number, message: string): Error {
  return Object.assign(new Error(message), { statusCode })
}
