import formbody from '@fastify/formbody'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import Fastify, { type FastifyInstance } from 'fastify'
import clover from 'fastify-clover'
import { openDatabase, simulatorTable } from './database.js'
import { sendProblem } from './pages/problem.js'
import { assetRoutes } from './routes/assets.js'
import { operatorRoutes } from './routes/operator.js'
import { shopRoutes } from './routes/shop.js'
import { requireOperator, requireSameSite, sessionKey, sessions } from './session.js'
import { freshness, type Settings } from './settings.js'
import type { Clover } from './simulator.js'

/** Puts the app together; the caller listens. */
export async function buildApp (settings: Settings, { options, webhookAuth, dashboard, close }: Clover): Promise<FastifyInstance> {
  const { database, storage } = openDatabase(settings.database, { simulatorTable: dashboard === undefined ? undefined : simulatorTable(settings) })
  const app = Fastify({ logger: { level: settings.logLevel } })

  // Fastify closes in reverse order: this stands before the plugin, so that the plugin can still write while it closes.
  app.addHook('onClose', async () => {
    database.close()
    await close()
  })

  if (dashboard !== undefined) app.decorate('hasLab', true)

  // Before the plugin, so that its routes have it too.
  app.setErrorHandler((error: Error, request, reply) => sendProblem(request, reply, error))
  app.setNotFoundHandler((request, reply) => sendProblem(request, reply, Object.assign(new Error('There is no such page.'), { statusCode: 404 })))

  await app.register(swagger, { openapi: { info: { title: 'Daybook', description: 'An example of an app for Clover merchants', version: '1.0.0' } } })
  await app.register(swaggerUi, {
    routePrefix: '/documentation',
    staticCSP: "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
  })
  await app.register(formbody)
  await app.register(sessions, { key: sessionKey(settings), isSecure: settings.baseUrl.startsWith('https:') })
  app.addHook('onRequest', requireSameSite(settings.baseUrl))

  await app.register(clover, {
    ...options,
    storage,
    baseUrl: settings.baseUrl,
    userAgent: 'daybook/1.0',
    ...freshness,
    routes: {
      refresh: { onRequest: requireOperator },
      // A merchant who uninstalls the app in Clover's dashboard is disconnected.
      webhook: { auth: webhookAuth, onVerificationCode: code => console.log(`Clover's verification code for the webhook is ${code}`) }
    },
    // Clover has said who the merchant is: this is the log-in.
    onConnect: (request, _reply, { merchantId, isNew }) => {
      request.session.regenerate(['operator']) // against session fixation; the operator's log-in has nothing to do with the merchant's
      request.session.set('merchantId', merchantId)
      request.session.set('notice', isNew ? 'The shop is connected.' : 'Welcome back.')
    },
    onError: (request, reply, error) => sendProblem(request, reply, error)
  })

  await app.register(assetRoutes)
  await app.register(shopRoutes, { dashboard })
  await app.register(operatorRoutes, { password: settings.operatorPassword })
  return app
}
