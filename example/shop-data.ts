import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import type { FastifyRequest } from 'fastify'

const Merchant = Type.Object({ id: Type.String(), name: Type.String(), defaultCurrency: Type.Optional(Type.String()) })

const Items = Type.Object({
  elements: Type.Array(Type.Object({ id: Type.String(), name: Type.String(), price: Type.Number({ description: 'Cents' }) }))
})

const Orders = Type.Object({
  elements: Type.Array(Type.Object({
    id: Type.String(),
    total: Type.Optional(Type.Number({ description: 'Cents' })),
    currency: Type.Optional(Type.String()),
    state: Type.Optional(Type.String()),
    createdTime: Type.Number({ description: 'Milliseconds' })
  }))
})

export type Merchant = Static<typeof Merchant>
export type Item = Static<typeof Items>['elements'][number]
export type Order = Static<typeof Orders>['elements'][number]

/** What the page shows of a shop. A string says why a part could not be read. */
export interface Shop {
  merchant: Merchant | string
  items: Item[] | string
  orders: Order[] | string
}

/** Reads a merchant's name, items and latest orders from Clover's REST API. */
export async function readShop (request: FastifyRequest, api: string, merchantId: string): Promise<Shop> {
  const shop = `${api}/v3/merchants/${merchantId}`
  const [merchant, items, orders] = await Promise.all([
    read(request, merchantId, shop, Merchant),
    read(request, merchantId, `${shop}/items?limit=8`, Items),
    read(request, merchantId, `${shop}/orders?limit=5&orderBy=createdTime%20DESC`, Orders)
  ])
  return {
    merchant,
    items: typeof items === 'string' ? items : items.elements,
    orders: typeof orders === 'string' ? orders : orders.elements
  }
}

/**
 * Reads one thing with the merchant's token. Resolves with a sentence if Clover does not give it; an error of the plugin, such as a
 * merchant who is not connected, is thrown for the error handler.
 */
async function read<T extends TSchema> (request: FastifyRequest, merchantId: string, url: string, schema: T): Promise<Static<T> | string> {
  const token = await request.clover.accessToken(merchantId)
  let response = await get(url, token)
  if (response?.status === 401) {
    // Clover does not take this token any more. The plugin finds another one; if that is refused too, a permission is missing.
    response = await get(url, await request.clover.accessToken(merchantId, { rejected: token }))
  }
  if (response === undefined) return 'Clover does not answer just now.'
  if (response.status === 401) return 'Clover refused this: the app lacks a permission in Clover\'s developer dashboard.'
  if (!response.ok) return `Clover answered ${response.status}.`
  const body: unknown = await response.json().catch(() => undefined)
  return Value.Check(schema, body) ? body : 'Clover answered in a form that this app does not know.'
}

async function get (url: string, token: string): Promise<Response | undefined> {
  try {
    return await fetch(url, { headers: { authorization: `Bearer ${token}`, 'user-agent': 'daybook/1.0' }, signal: AbortSignal.timeout(10_000) })
  } catch {
    return undefined
  }
}
