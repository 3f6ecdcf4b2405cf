import { metrics } from '@opentelemetry/api'
import type { FastifyInstance } from 'fastify'

/** Counts merchants whenever the metrics are exported. `app`: the App ID. */
export async function observableGauge (fastify: FastifyInstance, { app }: { app: string }): Promise<void> {
  const gauge = metrics.getMeter('fastify-clover').createObservableGauge('clover.merchants', { description: 'Merchants by state' })
  gauge.addCallback(async result => {
    const { merchants: _all, nextRefreshTokenExpiration: _expiration, ...states } = await fastify.clover.summary()
    for (const [state, number] of Object.entries(states)) result.observe(number, { app, state })
  })
}
