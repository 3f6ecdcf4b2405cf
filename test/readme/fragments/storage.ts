/* The short blocks of the guide to storage: type-checked, never run. */
import { encryptedStorage, postgresStorage } from 'fastify-clover/storage'
import { sqlStorage } from 'fastify-clover/storage'
import type { CloverStorage, EncryptedStorage, PostgresClient } from 'fastify-clover/storage'
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
