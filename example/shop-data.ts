import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { isCloverError, type Clover } from 'fastify-clover'

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
export async function readShop (clover: Clover, merchantId: string): Promise<Shop> {
  const [merchant, items, orders] = await Promise.all([
    read(clover, merchantId, '/v3/merchants/{mId}', Merchant),
    read(clover, merchantId, '/v3/merchants/{mId}/items?limit=8', Items),
    read(clover, merchantId, '/v3/merchants/{mId}/orders?limit=5&orderBy=createdTime%20DESC', Orders)
  ])
  return {
    merchant,
    items: typeof items === 'string' ? items : items.elements,
    orders: typeof orders === 'string' ? orders : orders.elements
  }
}

/**
 * Reads one thing with the merchant's token. Resolves with a sentence if Clover does not give it; any other error of the plugin, such as a
 * merchant who is not connected, is thrown for the error handler.
 */
async function read<T extends TSchema> (clover: Clover, merchantId: string, path: string, schema: T): Promise<Static<T> | string> {
  try {
    const response = await clover.fetch(merchantId, path, { signal: AbortSignal.timeout(10_000) })
    if (response.status === 401) return 'Clover refused this: the app lacks a permission in Clover\'s developer dashboard.'
    if (!response.ok) return `Clover answered ${response.status}.`
    const body: unknown = await response.json()
    return Value.Check(schema, body) ? body : 'Clover answered in a form that this app does not know.'
  } catch (error) {
    if (isCloverError(error) && error.code !== 'FST_CLOVER_UNAVAILABLE') throw error
    return error instanceof SyntaxError ? 'Clover answered in a form that this app does not know.' : 'Clover does not answer just now.'
  }
}
