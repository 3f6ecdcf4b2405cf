/* The short blocks of the guide to the routes: type-checked, never run. */
import '@fastify/secure-session'
import Fastify, { type FastifyInstance, type onRequestAsyncHookHandler } from 'fastify'
import clover, { type CloverEvent, type CloverOptions } from 'fastify-clover'
import { TokenReply } from 'fastify-clover'
import { postgresStorage, type PostgresClient } from 'fastify-clover/storage'

export function errorPages (appMarketUrl: string, escapeHtml: (text: string) => string): Pick<CloverOptions, 'onError'> {
  return {
    onError: async (_request, reply, error) => {
      const page = `<h1>That did not work</h1><p>${escapeHtml(error.message)}</p><p><a href="/clover/launch" target="_top">Try again</a></p>` +
        (error.statusCode < 500 ? `<p><a href="${escapeHtml(appMarketUrl)}" target="_top" rel="noreferrer">See the app in the App Market</a></p>` : '')
      return reply.type('text/html; charset=utf-8').send(page)
    }
  }
}

export function ownPaths (requireOperator: onRequestAsyncHookHandler): Pick<CloverOptions, 'routes'> {
  return {
    routes: {
      launch: '/connect',
      callback: { path: '/connect/done', schema: { hide: true } },
      refresh: { path: '/admin/refresh', onRequest: requireOperator }
    }
  }
}

export async function twoRegions (app: FastifyInstance, pool: PostgresClient, options: CloverOptions): Promise<void> {
  await app.register(async eu => {
    await eu.register(clover, { ...options, environment: 'europe', storage: postgresStorage(pool, { table: 'clover_eu' }) })
  }, { prefix: '/eu' })
  await app.register(async us => {
    await us.register(clover, { ...options, environment: 'north-america', storage: postgresStorage(pool, { table: 'clover_us' }) })
  }, { prefix: '/us' })
}

export async function readReply (response: Response): Promise<TokenReply> {
  const reply = await response.json() as TokenReply
  return reply
}

export function routesForMerchants (app: FastifyInstance): void {
  const preHandler = app.clover.requireMerchant(request => request.session.get('merchantId'))
  app.get('/orders', { preHandler }, async request => {
    const response = await request.clover.fetch(request.cloverMerchantId, '/v3/merchants/{mId}/orders')
    return response.json()
  })
}

export async function webhook (app: FastifyInstance, options: CloverOptions, queue: { add: (event: CloverEvent) => void }): Promise<void> {
  await app.register(clover, {
    ...options,
    routes: {
      webhook: {
        auth: process.env.CLOVER_WEBHOOK_AUTH,
        onVerificationCode: code => console.log(`Clover's verification code: ${code}`)
      }
    },
    onEvent: event => queue.add(event)
  })
}

export function awaited (queue: { add: (event: CloverEvent) => Promise<void> }): Pick<CloverOptions, 'routes' | 'onEvent'> {
  return {
    routes: { webhook: { auth: process.env.CLOVER_WEBHOOK_AUTH, awaitEvents: true } },
    onEvent: async event => {
      await queue.add(event) // resolves once the queue has stored it
    }
  }
}

export function implicitFlow (): Partial<CloverOptions> {
  return {
    environment: 'sandbox',
    flow: 'v1',
    dangerouslyUseImplicitFlow: true,
    appSecret: false // not used by this flow
  }
}

export function quietLog (): FastifyInstance {
  const app = Fastify({ logger: { serializers: { req: ({ method, url }) => ({ method, path: url.split('?', 1)[0] }) } } })
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ statusCode: 404, error: 'Not Found' }))
  return app
}
