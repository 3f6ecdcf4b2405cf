import type { FastifyInstance } from 'fastify'
import { Gauge } from 'prom-client'

const merchants = new Gauge({ name: 'clover_merchants', help: 'Merchants by state', labelNames: ['state'] })
const expiration = new Gauge({ name: 'clover_next_refresh_token_expiration_seconds', help: 'Unix time at which the first refresh token expires' })

/** Counts merchants once a minute, on one server: each pass reads every record. */
export async function gauges (app: FastifyInstance): Promise<void> {
  async function count (): Promise<void> {
    const { merchants: _all, nextRefreshTokenExpiration, ...states } = await app.clover.summary()
    for (const [state, number] of Object.entries(states)) merchants.set({ state }, number)
    expiration.set(nextRefreshTokenExpiration ?? 0)
  }
  const timer = setInterval(() => { count().catch(error => app.log.error(error)) }, 60_000)
  app.addHook('onReady', count)
  app.addHook('preClose', async () => { clearInterval(timer) })
}
