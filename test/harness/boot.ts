import Fastify, { type FastifyInstance } from 'fastify'
import { inspect } from 'node:util'
import type { Test } from 'tap'
import { isCloverError } from '../../src/errors.js'
import { fastifyClover, type CloverOptions } from '../../src/index.js'
import { memoryStorage } from '../../src/storage/index.js'

export const canary = 'CANARY!SECRET'

/** Valid options with some changed. `undefined` removes an option. */
export function optionsWith (changes: Record<string, unknown>): CloverOptions {
  const right: CloverOptions = {
    environment: 'sandbox',
    appId: 'ABCDEFGHJKLMN',
    appSecret: 'an app secret',
    storage: memoryStorage(),
    cookieSecret: 'x'.repeat(32),
    baseUrl: 'https://shop.example',
    routes: { refresh: { onRequest: async () => {} } }
  }
  return { ...right, ...changes }
}

/** Starts a host. Resolves with the error that stopped the start, if any. */
export async function boot (t: Test, options: CloverOptions, prepare?: (app: FastifyInstance) => void): Promise<Error | undefined> {
  const app = Fastify()
  t.teardown(() => app.close())
  prepare?.(app)
  try {
    await app.register(fastifyClover, options)
    await app.ready()
    return undefined
  } catch (error) {
    return error as Error
  }
}

/** The message of the error that stopped the start. Fails the test if it has the option's value. */
export async function refusal (t: Test, changes: Record<string, unknown>): Promise<string> {
  const error = await boot(t, optionsWith(changes))
  const label = inspect(changes, { depth: 3 })
  if (error === undefined) throw new Error(`accepted: ${label}`)
  // Hundreds of times: an assertion only where something is wrong.
  if (!isCloverError(error, 'FST_CLOVER_INVALID_OPTIONS')) t.fail(`${label}: ${error.message}`)
  if (inspect(error).includes('CANARY')) t.fail(`${label} is told`)
  return error.message
}

/** How many sentences a message has: each ends with a full stop before a blank or a line break and a letter, or at the end. */
export function sentences (message: string): number {
  return message.split(/\.(?=\s[a-z]|$)/i).filter(text => text !== '').length
}
