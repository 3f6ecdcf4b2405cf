import type { FastifyReply, FastifyRequest } from 'fastify'
import { SharedWork } from '../concurrency/shared-work.js'
import type { CloverSummary } from '../operations/summary.js'
import type { RouteContext } from './context.js'
import { setPrivateHeaders } from './pages.js'

/** @internal The status route, for monitors. Requests that come during a pass over the store share it. */
export function statusHandler ({ summary }: RouteContext) {
  const passes = new SharedWork<CloverSummary>()
  return async function status (_request: FastifyRequest, reply: FastifyReply): Promise<CloverSummary> {
    setPrivateHeaders(reply)
    return passes.run('', summary)
  }
}
