import type { FastifyInstance } from 'fastify'
import { Type } from '@sinclair/typebox'
import { sendPage } from '../pages/page.js'
import { nameOf, shopPage, welcome } from '../pages/shop.js'
import { lifeOf, mask } from '../pages/token.js'
import { takeNotice } from '../session.js'
import { readShop } from '../shop-data.js'

interface ShopOptions {
  /** The origin of Clover's REST API. */
  api: string
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
export async function shopRoutes (app: FastifyInstance, { api, dashboard }: ShopOptions): Promise<void> {
  app.get('/', { schema: { hide: true } }, async (request, reply) => {
    const merchantId = request.session.get('merchantId')
    const notice = takeNotice(request)
    if (merchantId === undefined) return sendPage(reply, { title: 'Connect a shop', main: welcome(dashboard), notice })

    const shop = await readShop(request, api, merchantId)
    const { token, installation } = await tokenOf(merchantId)
    return sendPage(reply, { title: nameOf(shop, merchantId), main: shopPage(shop, installation, mask(token), dashboard), notice, isLoggedIn: true })
  })

  // What the page asks for every few seconds.
  app.get('/token', {
    schema: { summary: 'The end and the age of the merchant\'s access token', tags: ['daybook'], response: { 200: TokenReply } }
  }, async request => {
    const { token, installation } = await tokenOf(merchantOf(request.session.get('merchantId')))
    return { token: mask(token), ...lifeOf(installation) }
  })

  app.post('/refresh', { schema: { hide: true } }, async (request, reply) => {
    await request.clover.refresh(merchantOf(request.session.get('merchantId')))
    request.session.set('notice', 'Refreshed: both tokens are new.')
    return reply.redirect('/', 303)
  })

  app.post('/disconnect', { schema: { hide: true } }, async (request, reply) => {
    await request.clover.disconnect(merchantOf(request.session.get('merchantId')))
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
    if (installation === undefined) throw loggedOut()
    return { token, installation }
  }
}

function merchantOf (merchantId: string | undefined): string {
  if (merchantId === undefined) throw loggedOut()
  return merchantId
}

function loggedOut (): Error {
  return Object.assign(new Error('No shop is logged in here: open the app from Clover.'), { statusCode: 401 })
}
