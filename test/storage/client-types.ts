/*
 * Compiled by `npm run types`, never run: the clients that hosts have must be taken without a cast. better-sqlite3 and node:sqlite are
 * not installed with their types here, so the parts that matter are declared as those have them.
 */
import type { DatabaseSyncInstance } from '@photostructure/sqlite'
import type { Cluster as IoredisCluster, Redis as Ioredis } from 'ioredis'
import type { Client, Pool, PoolClient } from 'pg'
import type { createClient, createClientPool, createCluster } from 'redis'
import { postgresStorage, redisStorage, sqliteStorage, type CloverStorage, type CloverStorageWithSetup } from '../../src/storage/index.js'
import { storageConformance } from '../../src/testing/conformance/index.js'

interface BetterSqlite3 {
  inTransaction: boolean
  prepare<P extends unknown[] | object = unknown[], R = unknown> (source: string): P extends unknown[] ? BetterStatement<P, R> : BetterStatement<[P], R>
}
interface BetterStatement<P extends unknown[], R> {
  run (...params: P): { changes: number, lastInsertRowid: number | bigint }
  get (...params: P): R | undefined
  all (...params: P): R[]
}

type SqlValue = null | number | bigint | string | NodeJS.ArrayBufferView
interface NodeSqlite {
  readonly isTransaction: boolean
  prepare (sql: string): NodeStatement
}
interface NodeStatement {
  run (...values: SqlValue[]): { changes: number | bigint, lastInsertRowid: number | bigint }
  run (named: Record<string, SqlValue>, ...values: SqlValue[]): { changes: number | bigint, lastInsertRowid: number | bigint }
  get (...values: SqlValue[]): Record<string, SqlValue> | undefined
  get (named: Record<string, SqlValue>, ...values: SqlValue[]): Record<string, SqlValue> | undefined
  all (...values: SqlValue[]): Array<Record<string, SqlValue>>
  all (named: Record<string, SqlValue>, ...values: SqlValue[]): Array<Record<string, SqlValue>>
}

/** As @fastify/postgres decorates. */
type FastifyPg = { pool: Pool, Client: typeof Client, query: Pool['query'], connect: Pool['connect'] } & Record<string, unknown>

export function sqlite (photostructure: DatabaseSyncInstance, better: BetterSqlite3, node: NodeSqlite): CloverStorageWithSetup[] {
  return [sqliteStorage(photostructure, { lockTimeout: 100 }), sqliteStorage(better, { table: 'a' }), sqliteStorage(node, {})]
}

export function postgres (pool: Pool, client: Client, poolClient: PoolClient, decorator: FastifyPg): CloverStorageWithSetup[] {
  return [postgresStorage(pool), postgresStorage(client), postgresStorage(poolClient), postgresStorage(decorator, { table: 'a.b' })]
}

export function redis (
  ioredis: Ioredis, ioredisCluster: IoredisCluster, decorator: Ioredis & Record<string, Ioredis>, nodeRedis: ReturnType<typeof createClient>,
  nodeRedisPool: ReturnType<typeof createClientPool>, nodeRedisCluster: ReturnType<typeof createCluster>
): CloverStorage[] {
  return [redisStorage(ioredis), redisStorage(ioredisCluster), redisStorage(decorator), redisStorage(nodeRedis), redisStorage(nodeRedisPool),
    redisStorage(nodeRedisCluster, { prefix: 'a:' })]
}

export function refused (pool: Pool): void {
  // @ts-expect-error: a connection string is not a client
  postgresStorage('postgres://localhost')
  // @ts-expect-error: pg is not SQLite
  sqliteStorage(pool)
  // @ts-expect-error: pg is not Redis
  redisStorage(pool)
}

/** Test runners take a case's name and function as they are. */
export function runners (
  nodeTest: (name: string, run: (context: { skip (message?: string): void }) => Promise<void>) => unknown,
  vitest: (name: string, run: (context: { skip: { (note?: string): never, (condition: boolean, note?: string): void } }) => Promise<void>) => unknown,
  jest: (name: string, run: () => Promise<void>) => unknown
): void {
  for (const { name, run } of storageConformance(() => sqliteStorage({} as DatabaseSyncInstance))) {
    nodeTest(name, run)
    vitest(name, run)
    jest(name, run)
  }
}
