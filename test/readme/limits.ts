import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance } from 'fastify'
import clover, { type CloverOptions } from 'fastify-clover'

export async function registerLimited (app: FastifyInstance, options: CloverOptions): Promise<void> {
  await app.register(rateLimit, { global: false }) // Behind a proxy, Fastify's option trustProxy makes request.ip the visitor's
  const perVisitor = { rateLimit: { max: 20, timeWindow: '1 minute' } }
  await app.register(clover, {
    ...options,
    routes: {
      ...options.routes,
      launch: { config: perVisitor },
      callback: { config: perVisitor }
    }
  })
}
