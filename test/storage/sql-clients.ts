import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { PrismaMariaDb } from '@prisma/adapter-mariadb'
import { PrismaPg } from '@prisma/adapter-pg'
import knex from 'knex'
import { Kysely, MysqlDialect, PostgresDialect, SqliteDialect } from 'kysely'
import mysql from 'mysql2'
import mysqlPromise from 'mysql2/promise'
import pg from 'pg'
import postgres from 'postgres'
import { DataSource } from 'typeorm'
import {
  drizzleStorage, knexStorage, kyselyStorage, mysqlStorage, postgresStorage, prismaStorage, sqlStorage, typeormStorage,
  type CloverStorageWithSetup, type PrismaClientLike, type SqlDialect
} from '../../src/storage/index.js'
import { openSqlite } from '../harness/sqlite.js'

/** A client of the host's that an adapter takes. */
export interface OpenClient {
  storage (table: string): CloverStorageWithSetup
  close (): Promise<unknown>
}

/** A kind of client, with one database. */
export interface SqlClient {
  name: string
  dialect: SqlDialect
  /** @param where the server's URL, or a file */
  open (where: string): Promise<OpenClient>
}

const root = join(import.meta.dirname, '../..')

/** Sends statements to a server, beside the adapters. */
export async function connectTo (dialect: SqlDialect, url: string): Promise<{ query (sql: string): Promise<unknown[]>, close (): Promise<unknown> }> {
  if (dialect === 'mysql') {
    const pool = mysqlPromise.createPool({ uri: url, connectionLimit: 2, multipleStatements: true })
    return { query: async sql => (await pool.query(sql))[0] as unknown[], close: () => pool.end() }
  }
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  return { query: async sql => (await pool.query<Record<string, unknown>>(sql)).rows, close: () => pool.end() }
}

/** Every client of a server that an adapter takes, as a host would have it. */
export const serverClients: SqlClient[] = [
  {
    name: 'postgres.js',
    dialect: 'postgresql',
    open: async url => {
      const sql = postgres(url, { onnotice: () => {}, max: 8 })
      return { storage: table => postgresStorage(sql, { table }), close: () => sql.end() }
    }
  },
  {
    name: 'a pool of mysql2, with rows as arrays',
    dialect: 'mysql',
    open: async uri => {
      const pool = mysql.createPool({ uri, connectionLimit: 8, rowsAsArray: true, flags: ['-FOUND_ROWS'] })
      return { storage: table => mysqlStorage(pool, { table }), close: () => pool.promise().end() }
    }
  },
  {
    name: 'a pool of mysql2/promise',
    dialect: 'mysql',
    open: async uri => {
      const pool = mysqlPromise.createPool({ uri, connectionLimit: 8 })
      return { storage: table => mysqlStorage(pool, { table }), close: () => pool.end() }
    }
  },
  {
    name: 'Knex on pg',
    dialect: 'postgresql',
    open: async connection => withKnex({ client: 'pg', connection })
  },
  {
    name: 'Knex on mysql2',
    dialect: 'mysql',
    open: async connection => withKnex({ client: 'mysql2', connection })
  },
  {
    name: 'Kysely on pg',
    dialect: 'postgresql',
    open: async connectionString => withKysely(new Kysely({ dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString, max: 8 }) }) }))
  },
  {
    name: 'Kysely on mysql2',
    dialect: 'mysql',
    open: async uri => withKysely(new Kysely({ dialect: new MysqlDialect({ pool: mysql.createPool({ uri, connectionLimit: 8 }) }) }))
  },
  {
    name: 'TypeORM, postgres',
    dialect: 'postgresql',
    open: async url => withTypeorm(new DataSource({ type: 'postgres', url }))
  },
  {
    name: 'TypeORM, mariadb',
    dialect: 'mysql',
    open: async url => withTypeorm(new DataSource({ type: 'mariadb', url }))
  },
  {
    name: 'Drizzle on pg',
    dialect: 'postgresql',
    open: async connectionString => {
      // Drizzle has the client that it was given as `$client`.
      const $client = new pg.Pool({ connectionString, max: 8 })
      return { storage: table => drizzleStorage({ $client }, { table }), close: () => $client.end() }
    }
  },
  {
    name: 'Drizzle on mysql2',
    dialect: 'mysql',
    open: async uri => {
      const $client = mysql.createPool({ uri, connectionLimit: 8 })
      return { storage: table => drizzleStorage({ $client }, { table }), close: () => $client.promise().end() }
    }
  },
  {
    name: 'Prisma on PostgreSQL',
    dialect: 'postgresql',
    open: connectionString => withPrisma('postgresql', new PrismaPg({ connectionString, max: 8 }))
  },
  {
    name: 'Prisma on MariaDB',
    dialect: 'mysql',
    open: url => {
      const { hostname, port, username, password, pathname } = new URL(url)
      return withPrisma('mysql', new PrismaMariaDb({ host: hostname, port: Number(port || 3306), user: username, password, database: pathname.slice(1), connectionLimit: 8 }))
    }
  },
  {
    name: 'a function of the host\'s own over pg',
    dialect: 'postgresql',
    open: async connectionString => {
      const pool = new pg.Pool({ connectionString, max: 8 })
      const run = async (text: string, values: unknown[]) => {
        const { rows, rowCount } = await pool.query<Record<string, unknown>>(text, values)
        return { rows, changed: rowCount }
      }
      return { storage: table => sqlStorage({ dialect: 'postgresql', run, table }), close: () => pool.end() }
    }
  }
]

/** Clients of a file. Those on better-sqlite3 are there only where it is installed. */
export const fileClients: SqlClient[] = [
  {
    name: 'Kysely on SQLite',
    dialect: 'sqlite',
    open: async file => {
      const database = openSqlite(file, { timeout: 2_000 })
      database.exec('PRAGMA synchronous = OFF')
      // Kysely knows better-sqlite3, whose statements say whether they return rows.
      const like = {
        prepare: (sql: string) => {
          const statement = database.prepare(sql)
          const reader = /^\s*(?:select|pragma)|returning/i.test(sql)
          return {
            reader,
            all: (values: readonly unknown[]) => statement.all(...values),
            run: (values: readonly unknown[]) => { const { changes } = statement.run(...values); return { changes, lastInsertRowid: 0 } },
            iterate: () => { throw new Error('not used') }
          }
        },
        close: () => { database.close() }
      }
      return withKysely(new Kysely({ dialect: new SqliteDialect({ database: like }) }))
    }
  }
]

function withKnex (config: { client: string, connection: string }): OpenClient {
  const client = knex({ ...config, pool: { min: 0, max: 8 } })
  return { storage: table => knexStorage(client, { table }), close: () => client.destroy() }
}

function withKysely (db: Kysely<unknown>): OpenClient {
  return { storage: table => kyselyStorage(db, { table }), close: () => db.destroy() }
}

async function withTypeorm (dataSource: DataSource): Promise<OpenClient> {
  await dataSource.initialize()
  return { storage: table => typeormStorage(dataSource, { table }), close: () => dataSource.destroy() }
}

interface GeneratedClient extends PrismaClientLike {
  $disconnect (): Promise<void>
}

/**
 * Makes the client of the model that the guide shows, once for each provider. It stays for the next run, unless the model or Prisma is another then: to
 * make it takes longer than to try it.
 */
async function generatePrisma (provider: string): Promise<{ PrismaClient: new (options: { adapter: unknown }) => GeneratedClient }> {
  const model = (await readFile(join(root, 'example/hosts/schema.prisma'), 'utf8')).replace('provider = "postgresql"', `provider = "${provider}"`)
  const text = provider === 'mysql' ? model.replace(/(document +String)/, '$1 @db.MediumText') : model
  const { version } = JSON.parse(await readFile(join(root, 'node_modules/prisma/package.json'), 'utf8')) as { version: string }
  const cache = join(root, 'node_modules/.cache/fastify-clover-prisma')
  const folder = join(cache, createHash('sha256').update(`${version}\n${text}`).digest('hex').slice(0, 16))
  if (!existsSync(folder)) {
    // Other processes make the same: each its own folder, put in place at once.
    const own = `${folder}.${process.pid}`
    await mkdir(own, { recursive: true })
    await writeFile(join(own, 'schema.prisma'), text.replace('"prisma-client-js"', '"prisma-client-js"\n  output = "./client"'))
    // The engine is for migrations only; without this, Prisma would load it from the network.
    await promisify(execFile)(process.execPath, [join(root, 'node_modules/prisma/build/index.js'), 'generate', '--schema', join(own, 'schema.prisma')],
      { cwd: own, env: { ...process.env, NODE_OPTIONS: '', PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, PRISMA_HIDE_UPDATE_MESSAGE: '1', CHECKPOINT_DISABLE: '1' } })
    await rename(own, folder).catch(async () => await rm(own, { recursive: true, force: true }))
  }
  return await import(pathToFileURL(join(folder, 'client/index.js')).href) as { PrismaClient: new (options: { adapter: unknown }) => GeneratedClient }
}

async function withPrisma (provider: string, adapter: unknown): Promise<OpenClient> {
  const { PrismaClient } = await generatePrisma(provider)
  const prisma = new PrismaClient({ adapter })
  return { storage: table => prismaStorage(prisma, { table }), close: () => prisma.$disconnect() }
}
