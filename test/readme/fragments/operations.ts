/* The short blocks of the guide to operations: type-checked, never run. */
import type { FastifyInstance, onRequestAsyncHookHandler } from 'fastify'
import type { CloverOptions } from 'fastify-clover'

export const statusRoute = (requireMonitor: onRequestAsyncHookHandler): Partial<CloverOptions> => ({
  routes: {
    status: { onRequest: requireMonitor },
    refresh: false
  }
})

export async function refreshAll (app: FastifyInstance): Promise<void> {
  for await (const { merchantId, flow } of app.clover.installations()) {
    if (flow === 'v2') await app.clover.refresh(merchantId).catch(error => app.log.error(error))
  }
}

export async function printProblems (app: FastifyInstance, merchantId: string): Promise<void> {
  for await (const { check, status, message, fix } of app.clover.diagnose({ merchantId })) {
    if (status === 'error' || status === 'warning') app.log.warn({ check, fix }, message)
  }
}
