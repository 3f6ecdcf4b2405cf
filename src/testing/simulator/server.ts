import Fastify from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { authorizeRoutes } from './authorize-routes.js'
import { shareCompilers } from './compilers.js'
import { dashboardRoutes } from './dashboard-routes.js'
import type { Pauses } from './pauses.js'
import { restRoutes } from './rest-routes.js'
import { tokenRoutes } from './token-routes.js'
import type { App, Parts } from './parts.js'

/** The value of a Date header at a time in milliseconds. Source: RFC 9110, section 6.6.1. */
export function httpDate (milliseconds: number): string {
  return new Date(milliseconds).toUTCString()
}

/** Builds the server with all routes, and adds a `Date` to every answer. */
export function buildServer (parts: Parts, pauses: Pauses): App {
  const app: App = Fastify({
    // Without this, closing would wait for the client's idle connections.
    forceCloseConnections: true,
    // A HEAD request must not spend a code.
    exposeHeadRoutes: false,
    // A number is not accepted as a string.
    ajv: { customOptions: { coerceTypes: false } }
  }).withTypeProvider<TypeBoxTypeProvider>()

  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (!reply.hasHeader('date')) reply.header('date', httpDate(parts.now()))
    done()
  })
  app.addHook('preClose', done => {
    pauses.close()
    done()
  })
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ message: 'Not Found' }))
  for (const routes of [authorizeRoutes, tokenRoutes, restRoutes, dashboardRoutes]) {
    app.register(async scope => {
      shareCompilers(scope)
      await routes(scope, parts)
    })
  }
  return app
}
