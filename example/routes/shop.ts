import type { FastifyInstance } from 'fastify'
import { Type } from '@sinclair/typebox'
import { sendPage } from '../pages/page.js'
import { nameOf, shopPage, welcome } from '../pages/shop.js'
import { lifeOf, mask } from '../pages/token.js'
import { takeNotice } from '../session.js'
import { readShop } from '../shop-data.js'

interface ShopOptions {
  /** The simulator's dashboard. */
  dashboard: string | undefined
}

const TokenReply = Type.Object({
  token: Type.String({ description: 'The end of the access token' }),
  left: Type.Union([Type.Number(), Type.Null()], { description: 'Seconds that it still lives; null: no end' }),
  lifetime: Type.Union([Type.Number(), Type.Null()], { description: 'Seconds that it lives in all; null: no end' })
})

/**
 * A merchant's own pages.
 *
 * The merchant id comes from the session, which `onConnect` filled. Taken from the URL, it would let anybody read any merchant.
 */
export async function shopRoutes (app: FastifyInstance, { dashboard }: ShopOptions): Promise<void> {
  const preHandler = app.clover.requireMerchant(request => request.session.get('merchantId'))

  app.get('/', { schema: { hide: true } }, async (request, reply) => {
    const merchantId = request.session.get('merchantId')
    const notice = takeNotice(request)
    if (merchantId === undefined) return sendPage(reply, { title: 'Connect a shop', main: welcome(dashboard), notice })

    const shop = await readShop(request.clover, merchantId)
    const { token, installation } = await tokenOf(merchantId)
    return sendPage(reply, { title: nameOf(shop, merchantId), main: shopPage(shop, installation, mask(token), dashboard), notice, isLoggedIn: true })
  })

  // What the page asks for every few seconds.
  app.get('/token', {
    preHandler,
    schema: { summary: 'The end and the age of the merchant\'s access token', tags: ['daybook'], response: { 200: TokenReply } }
  }, async request => {
    const { token, installation } = await tokenOf(request.cloverMerchantId)
    return { token: mask(token), ...lifeOf(installation) }
  })

  app.post('/refresh', { preHandler, schema: { hide: true } }, async (request, reply) => {
    await request.clover.refresh(request.cloverMerchantId)
    request.session.set('notice', 'Refreshed: both tokens are new.')
    return reply.redirect('/', 303)
  })

  app.post('/disconnect', { preHandler, schema: { hide: true } }, async (request, reply) => {
    await request.clover.disconnect(request.cloverMerchantId)
    request.session.set('merchantId', undefined)
    request.session.set('notice', 'The shop is disconnected: its tokens are forgotten.')
    return reply.redirect('/', 303)
  })

  app.post('/logout', { schema: { hide: true } }, async (request, reply) => {
    request.session.delete()
    return reply.redirect('/', 303)
  })

  /** The access token, refreshed if need be, and what is stored beside it. */
  async function tokenOf (merchantId: string) {
    const token = await app.clover.accessToken(merchantId)
    const installation = await app.clover.installation(merchantId)
    if (installation === undefined) throw Object.assign(new Error('The shop was disconnected just now.'), { statusCode: 409 })
    return { token, installation }
  }
}
