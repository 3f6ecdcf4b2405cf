import type { Clover } from 'fastify-clover'

interface Order { id: string, total: number }

export async function newestOrders (clover: Clover, merchantId: string): Promise<Order[]> {
  const response = await clover.fetch(merchantId, '/v3/merchants/{mId}/orders?limit=10&orderBy=createdTime%20DESC')
  if (!response.ok) throw new Error(`Clover answered ${response.status}`)
  const { elements } = await response.json() as { elements: Order[] }
  return elements
}

export async function addItem (clover: Clover, merchantId: string, item: { name: string, price: number }): Promise<boolean> {
  const response = await clover.fetch(merchantId, '/v3/merchants/{mId}/items', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(item),
    signal: AbortSignal.timeout(20_000) // for all of it, the body included
  })
  return response.ok
}

export async function turnover (clover: Clover, merchantId: string, since: Date): Promise<number> {
  let cents = 0
  // Without `since` Clover gives the orders of the last 90 days only.
  for await (const { total } of clover.paginate<Order>(merchantId, '/v3/merchants/{mId}/orders', { since, limit: 1000 })) cents += total
  return cents
}
