/* What `fastify-clover/testing` offers to hosts for their own tests. */

export * from './conformance/index.js'
export * from './simulator/index.js'
