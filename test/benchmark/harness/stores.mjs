import { mkdtempSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryStorage, postgresStorage, redisStorage, sqliteStorage } from '../../../dist/storage/index.js'

/*
 * The stores of the benchmarks: each with the adapter over the host's client, and with `bare`, which reads the same record with the same
 * client, written by hand and as well as it can be. `place` is where a host that is started again finds the records.
 */

const postgresUrl = process.env.PG_URL ?? 'postgres://postgres@127.0.0.1:5432/test'
const redisUrl = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379'
const uniqueName = () => `clover_benchmark_${process.pid}_${Date.now().toString(36)}`

export const storeKinds = ['memory', 'sqlite', 'postgres', 'redis']

/** Makes an empty store; undefined if its server is not there. */
export async function makeStore (kind) {
  if (kind === 'postgres' && !await listens(postgresUrl, 5432)) return undefined
  if (kind === 'redis' && !await listens(redisUrl, 6379)) return undefined
  return await { memory, sqlite, postgres, redis }[kind]()
}

/** Opens a store that another process has made, by its address. */
export async function openStore (address) {
  return await { postgres, redis }[address.kind](address)
}

function memory () {
  const storage = memoryStorage()
  return { storage, bare: merchantId => storage.get(merchantId), close: async () => {} }
}

async function sqlite () {
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite') ?? await import('@photostructure/sqlite')
  const folder = mkdtempSync(join(tmpdir(), 'clover-benchmark-'))
  const file = join(folder, 'store.db')
  const database = new DatabaseSync(file)
  database.exec('PRAGMA journal_mode = WAL')
  const storage = sqliteStorage(database)
  await storage.setup()
  const statement = database.prepare('SELECT document FROM clover_installations WHERE merchant_id = ?')
  return {
    storage,
    place: { address: file, table: 'clover_installations' },
    bare: async merchantId => JSON.parse(statement.get(merchantId).document),
    async close () {
      database.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

async function postgres ({ table = uniqueName(), isOwner = true } = {}) {
  const { default: pg } = await import('pg')
  const pool = new pg.Pool({ connectionString: postgresUrl, max: 10 })
  const storage = postgresStorage(pool, { table })
  await storage.setup()
  const text = `SELECT document FROM ${table} WHERE merchant_id = $1`
  return {
    storage,
    address: { kind: 'postgres', table, isOwner: false },
    place: { address: postgresUrl, table },
    bare: async merchantId => JSON.parse((await pool.query(text, [merchantId])).rows[0].document),
    async close () {
      if (isOwner) await pool.query(`DROP TABLE IF EXISTS ${table}`)
      await pool.end()
    }
  }
}

async function redis ({ prefix = `${uniqueName()}:`, isOwner = true } = {}) {
  const { Redis } = await import('ioredis')
  const client = new Redis(redisUrl)
  return {
    storage: redisStorage(client, { prefix }),
    address: { kind: 'redis', prefix, isOwner: false },
    bare: async merchantId => JSON.parse(await client.hget(prefix + merchantId, 'document')),
    async close () {
      if (isOwner) {
        for await (const keys of client.scanStream({ match: `${prefix}*`, count: 1000 })) {
          if (keys.length > 0) await client.del(...keys)
        }
      }
      client.disconnect()
    }
  }
}

function listens (url, defaultPort) {
  const { hostname, port } = new URL(url)
  return new Promise(resolve => {
    const socket = createConnection({ host: hostname, port: port === '' ? defaultPort : Number(port), timeout: 2000 })
    const settle = answer => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => settle(true)).once('timeout', () => settle(false)).once('error', () => settle(false))
  })
}
