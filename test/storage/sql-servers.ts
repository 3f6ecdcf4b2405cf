import mysql from 'mysql2/promise'
import pg from 'pg'
import type { Test } from 'tap'
import { findMariadb, findPostgres, uniqueName } from '../harness/services.js'
import { connectTo } from './sql-clients.js'

export const postgres = await findPostgres()
export const mariadb = await findMariadb()

/** A table's name of this test's own; the table goes when the test ends. */
export async function newTable (t: Test, dialect: 'postgresql' | 'mysql') {
  const { query, close } = await connectTo(dialect, dialect === 'mysql' ? mariadb.url : postgres.url)
  const table = uniqueName('sql')
  t.teardown(async () => {
    await query(`DROP TABLE IF EXISTS ${table}`)
    await close()
  })
  return { table, query }
}

/** A pool of MariaDB, which ends with the test. */
export async function mysqlPool (t: Test) {
  const pool = mysql.createPool({ uri: mariadb.url, connectionLimit: 8 })
  t.teardown(() => pool.end())
  return pool
}

/** A pool of PostgreSQL, which ends with the test. */
export async function pgPool (t: Test) {
  const pool = new pg.Pool({ connectionString: postgres.url, max: 8 })
  t.teardown(() => pool.end())
  return pool
}
