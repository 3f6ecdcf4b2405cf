import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { Type, type Static } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { MerchantId } from 'fastify-clover'
import { isSameText } from '../session.js'

/** Milliseconds that a caller waits for a token. */
const patience = 15_000

/** What a caller of the lab gets. */
export const Served = Type.Object({
  waited: Type.Number({ description: 'Milliseconds that the handler waited for its token' }),
  status: Type.Union([Type.Number(), Type.Null()], { description: 'What Clover answered to the token; null: nothing' })
})
export type Served = Static<typeof Served>

/**
 * The handler of the lab's callers: it asks for the merchant's token, and calls Clover's API with it.
 *
 * It takes the merchant id from the address, which no route of an app may do; so it takes none of anybody but the lab.
 */
export async function callerRoute (instance: FastifyInstance, { key, api }: { key: string, api: string }): Promise<void> {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()

  app.get('/lab/caller/:merchantId', {
    schema: { hide: true, params: Type.Object({ merchantId: MerchantId }), response: { 200: Served } },
    onRequest: async request => {
      if (!isSameText(String(request.headers.authorization), `Bearer ${key}`)) throw Object.assign(new Error('This is for the lab.'), { statusCode: 401 })
    }
  }, async ({ params: { merchantId } }) => {
    const signal = AbortSignal.timeout(patience)
    let waited = 0
    let token = await timed(() => app.clover.accessToken(merchantId, { signal }))
    let status = await present(merchantId, token)
    // A token that is refused before its time is handed back: the one from this server's cache, and the stored one if another server refreshed meanwhile.
    for (let turn = 0; status === 401 && turn < 2; turn++) {
      const rejected = token
      token = await timed(() => app.clover.accessToken(merchantId, { rejected, signal }))
      status = await present(merchantId, token)
    }
    return { waited, status }

    async function timed (ask: () => Promise<string>): Promise<string> {
      const start = performance.now()
      const token = await ask()
      waited += performance.now() - start
      return token
    }
  })

  /** Clover's answer to a token; null: none. */
  async function present (merchantId: string, token: string): Promise<number | null> {
    const headers = { authorization: `Bearer ${token}`, 'user-agent': 'daybook/1.0' }
    try {
      const response = await fetch(`${api}/v3/merchants/${merchantId}/items?limit=1`, { headers, signal: AbortSignal.timeout(patience) })
      await response.arrayBuffer()
      return response.status
    } catch {
      return null
    }
  }
}
