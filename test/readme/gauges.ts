import type { FastifyInstance } from 'fastify'
import { Gauge } from 'prom-client'

const merchants = new Gauge({ name: 'clover_merchants', help: 'Merchants by state', labelNames: ['app', 'state'] })
const expiration = new Gauge({ name: 'clover_next_refresh_token_expiration_seconds', help: 'Unix time at which the first refresh token expires', labelNames: ['app'] })

/** Counts merchants once a minute, on one server: each pass reads every record. `app`: the App ID. */
export async function gauges (fastify: FastifyInstance, { app }: { app: string }): Promise<void> {
  async function count (): Promise<void> {
    try {
      const { merchants: _all, nextRefreshTokenExpiration, ...states } = await fastify.clover.summary()
      for (const [state, number] of Object.entries(states)) merchants.set({ app, state }, number)
      expiration.set({ app }, nextRefreshTokenExpiration ?? 0)
    } catch (error) {
      fastify.log.error(error)
    }
  }
  const timer = setInterval(count, 60_000)
  fastify.addHook('onReady', async () => { count() }) // the boot does not wait: the database may be slow, or down
  fastify.addHook('preClose', async () => { clearInterval(timer) })
}
