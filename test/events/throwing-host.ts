/*
 * A process whose subscriber throws at each refresh. Its store is slow, so that the process would end before a later write.
 */
import { subscribe } from 'node:diagnostics_channel'
import { setTimeout } from 'node:timers/promises'
import Fastify from 'fastify'
import plugin, { diagnosticsChannels, type Environment, type TokenReply } from '../../src/index.js'
import { sqliteStorage } from '../../src/storage/index.js'
import { openSqlite } from '../harness/sqlite.js'
import { adoptable } from '../harness/pairs.js'

export interface Plan {
  environment: Environment
  appId: string
  appSecret: string | false
  file: string
  /** Whether the process handles `uncaughtException`. */
  handles: boolean
  merchantId: string
  pair: TokenReply
}

export type Report = { uncaught: string } | { refreshed: boolean }

const { environment, appId, appSecret, file, handles, merchantId, pair } = JSON.parse(process.argv[2] ?? '') as Plan
const report = (report: Report) => { process.send?.(report) }

subscribe(diagnosticsChannels.refreshed, () => { throw new Error('the subscriber threw') })
if (handles) process.on('uncaughtException', error => { report({ uncaught: error.message }) })

const app = Fastify()
const storage = sqliteStorage(openSqlite(file))
const slow = { ...storage, put: async (...args: Parameters<typeof storage.put>) => { await setTimeout(50); return storage.put(...args) } }
await app.register(plugin, { environment, appId, appSecret, storage: slow, routes: false })
await app.ready()
await app.clover.adopt(adoptable(merchantId, pair))
const { accessTokenExpiration } = await app.clover.refresh(merchantId)
report({ refreshed: accessTokenExpiration !== null })
await app.close()
process.disconnect?.()
