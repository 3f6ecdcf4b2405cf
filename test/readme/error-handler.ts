import type { FastifyInstance } from 'fastify'
import { isCloverError } from 'fastify-clover'

/** Sends a merchant's browser to Clover where only the merchant can help. To be called before the plugin and the routes are registered. */
export function sendMerchantsToLaunch (app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => {
    const isPage = request.method === 'GET' && request.headers.accept?.includes('text/html')
    if (isPage && isCloverError(error) && error.launchUrl !== undefined) return reply.redirect(error.launchUrl)
    return reply.send(error) // as Fastify does without this handler
  })
}
