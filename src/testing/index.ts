/* The entry `fastify-clover/testing`, for the tests of hosts and of storage adapters. */

export * from './conformance/index.js'
export * from './simulator/index.js'
