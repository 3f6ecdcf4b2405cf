import formbody from '@fastify/formbody'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import { MerchantId } from 'fastify-clover'
import { labPage } from '../pages/lab.js'
import { sendPage } from '../pages/page.js'
import { assetRoutes } from '../routes/assets.js'
import { requireSameSite } from '../session.js'
import type { LabSettings } from '../settings.js'
import { deedNames } from './deeds.js'
import type { Feed } from './feed.js'
import type { Measures } from './measures.js'
import { proxy } from './proxy.js'
import type { Servers } from './servers.js'
import type { Shops } from './shops.js'
import type { Stream } from './stream.js'
import type { World } from './world.js'

const DeedParams = Type.Object({ deed: Type.Union(deedNames.map(name => Type.Literal(name))) })
const DeedForm = Type.Object({ merchant_id: Type.Optional(MerchantId) })

interface Parts {
  settings: LabSettings
  servers: Servers
  shops: Shops
  measures: Measures
  feed: Feed
  world: World
  stream: Stream
}

/** The one address: the lab's own pages, and everything else by one of the servers. */
export async function buildFront ({ settings, servers, shops, measures, feed, world, stream }: Parts): Promise<FastifyInstance> {
  // Closing does not wait for the streams of open pages.
  const front = Fastify({ logger: { level: settings.logLevel }, forceCloseConnections: true })
  front.decorate('hasLab', true)
  await front.register(assetRoutes)
  await front.register(async instance => {
    const app = instance.withTypeProvider<TypeBoxTypeProvider>()
    await app.register(formbody)
    app.addHook('onRequest', requireSameSite(settings.baseUrl))

    app.get('/lab', (_request, reply) => sendPage(reply, { title: 'The lab', main: labPage(settings), script: 'lab.js', isWide: true }))

    app.get('/lab/events', async (_request, reply) => {
      const hello = {
        now: Date.now(),
        seconds: measures.seconds,
        totals: measures.totals,
        servers: servers.shown,
        shops: await shops.read(),
        spans: world.spans,
        lines: feed.lines,
        outcomes: [...world.outcomes.values()]
      }
      return reply.type('text/event-stream').header('cache-control', 'no-store').send(stream.open('hello', hello))
    })

    app.post('/lab/world/:deed', { schema: { params: DeedParams, body: DeedForm } }, async (request, reply) => {
      const [latest] = shops.ids
      const { merchant_id: chosen } = request.body
      const merchantId = chosen !== undefined && shops.ids.includes(chosen) ? chosen : latest
      if (merchantId === undefined) return reply.code(409).send({ statusCode: 409, message: 'Connect a shop first.' })
      world.run(request.params.deed, merchantId).catch((error: unknown) => request.log.error({ err: error }, 'A deed failed'))
      return reply.code(202).send({ merchantId })
    })
  })
  await front.register(proxy, { servers })
  return front
}
