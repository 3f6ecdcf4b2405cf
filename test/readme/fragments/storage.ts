/* The short blocks of the guide to storage: type-checked. Only `bindAll` is run, by test/flows/deployments.test.ts. */
import { encryptedStorage, postgresStorage } from 'fastify-clover/storage'
import { sqlStorage } from 'fastify-clover/storage'
import type { CloverStorage, EncryptedStorage, PostgresClient } from 'fastify-clover/storage'
import type { FastifyInstance } from 'fastify'
import clover, { type CloverOptions } from 'fastify-clover'
import type { Pool } from 'pg'

export function sealed (pool: PostgresClient): EncryptedStorage {
  const storage = encryptedStorage(postgresStorage(pool), { // goes where postgresStorage(pool) went
    keys: [{ id: '2026-11', key: process.env.TOKEN_KEY ?? '' }] // 32 bytes in base64: openssl rand -base64 32
  })
  return storage
}

export function ownClient (pool: Pool): CloverStorage {
  const storage = sqlStorage({
    dialect: 'postgresql', // or 'mysql' (MariaDB too), 'sqlite'
    run: async (sql, parameters) => {
      const { rows, rowCount } = await pool.query(sql, parameters)
      return { rows, changed: rowCount }
    }
  })
  return storage
}

export async function ofProduction (app: FastifyInstance, options: CloverOptions): Promise<void> {
  await app.register(clover, { ...options, deployment: 'production' })
}

export async function bindAll (app: FastifyInstance): Promise<void> {
  for await (const { merchantId, deployment } of app.clover.installations()) {
    if (deployment !== 'production') await app.clover.refresh(merchantId).catch(err => app.log.error(err))
  }
}

export async function moved (app: FastifyInstance, options: CloverOptions): Promise<void> {
  await app.register(clover, { ...options, deployment: { name: 'production-eu', takeOver: 'production', until: '2026-12-24' } })
}
