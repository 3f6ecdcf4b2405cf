/* The short block of the guide to operations: type-checked, never run. */
import type { onRequestAsyncHookHandler } from 'fastify'
import type { CloverOptions } from 'fastify-clover'

export const statusRoute = (requireMonitor: onRequestAsyncHookHandler): Partial<CloverOptions> => ({
  routes: {
    status: { onRequest: requireMonitor },
    refresh: false
  }
})
