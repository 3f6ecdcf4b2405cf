/*
 * A process that makes one pass of keep-alive, and then has nothing left to do. It says which calls its store got.
 */
import Fastify from 'fastify'
import plugin from '../../src/index.js'
import { memoryStorage, type ListQuery } from '../../src/storage/index.js'

const calls: string[] = []
const { list, ...storage } = memoryStorage()
const noting = { ...storage, list: async (query: ListQuery) => { calls.push('list'); return await list(query) } }

const app = Fastify()
await app.register(plugin, { environment: 'sandbox', appId: 'SIMULATORAPP1', appSecret: 'secret', storage: noting, routes: false })
await app.ready()
process.send?.({ calls: [...calls] })
await app.clover.keepAlive()
process.send?.({ calls })
process.disconnect?.()
