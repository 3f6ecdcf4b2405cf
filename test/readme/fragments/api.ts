/* The short block of the guide to Clover's API: type-checked, never run. */
import type { FastifyRequest } from 'fastify'

export async function callWithToken (request: FastifyRequest, merchantId: string, url: string): Promise<Response> {
  const send = (token: string) => fetch(url, { headers: { authorization: `Bearer ${token}`, 'user-agent': 'my-shop/2.1' } })
  let token = await request.clover.accessToken(merchantId)
  let response = await send(token)
  if (response.status === 401) {
    token = await request.clover.accessToken(merchantId, { rejected: token })
    response = await send(token)
  }
  return response
}
