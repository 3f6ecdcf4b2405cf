import { quoteTable, requireMethod } from './arguments.js'
import type { CloverStorageWithSetup } from './contract.js'
import { fromRow, toDocument, type StoredRow } from './document.js'
import { codeOf, withPlainErrors } from './driver-error.js'
import { keysetPage, type ListRow } from './page.js'

/** A query as the adapter hands it to pg. */
export interface PostgresQuery {
  text: string
  values: Array<string | number | null>
  /** Every column is read as the text that PostgreSQL sent, whatever parsers the host has set on its client. */
  types: { getTypeParser (): (value: string) => unknown }
}

/** The part of a pg Pool, a pg Client or `fastify.pg` that the adapter uses. */
export interface PostgresClient {
  query (query: PostgresQuery): Promise<{ rows: unknown[] }>
}

/** The options of `postgresStorage`. */
export interface PostgresStorageOptions {
  /**
   * The table's name as the database has it, default `clover_installations`, or `schema.table`: ASCII letters, digits and
   * underscores, 63 at most in each part, capitals kept. A schema must exist.
   */
  table?: string
}

const columns = 'revision, due_at AS "dueAt", document'

const types = { getTypeParser: () => (value: string) => value }

/** A statement that is a transaction of its own and lost against another (SQLSTATE 40001) is sent again at most so often. */
const maxAttempts = 5

/**
 * Keeps installations in a table of the host's PostgreSQL, through the host's own pool.
 *
 * Hand over a Pool of the primary, not of a replica. A single Client works as long as nobody opens a transaction on it: what is
 * written inside of one could still be rolled back, and reads may be old. `synchronous_commit = off` (not the default) may lose the
 * last writes in a crash, and merchants with them. A user without the right to create tables will do if the table exists.
 *
 * Throws a TypeError for an argument of another kind. Connects to nothing until it is used.
 */
export function postgresStorage (pool: PostgresClient, { table = 'clover_installations' }: PostgresStorageOptions = {}): CloverStorageWithSetup {
  requireMethod('postgresStorage', pool, 'query', 'a Pool or a connected Client of pg, or fastify.pg')
  const name = quoteTable('postgresStorage', table, { schema: true })

  // A table that exists is only looked up, so that a user without the right to create one gets by. Servers that start at once may all
  // find none: those that come late then run into the first one's table, by one of three errors (CREATE TABLE IF NOT EXISTS too), after
  // it has committed. A lock alone does not help, since what a session has looked up before it waited may stay in its cache.
  const setup = `
    DO $setup$ BEGIN
      IF to_regclass('${name}') IS NULL THEN
        CREATE TABLE ${name} (
          merchant_id text COLLATE "C" PRIMARY KEY, revision text COLLATE "C" NOT NULL, due_at double precision, document text NOT NULL
        );
        CREATE INDEX ON ${name} (due_at);
      END IF;
    EXCEPTION WHEN duplicate_table OR duplicate_object OR unique_violation THEN NULL;
    END $setup$`

  async function send (text: string, values: PostgresQuery['values'], isSetUp = text === setup, attempt = 1): Promise<unknown[]> {
    try {
      return (await pool.query({ text, values, types })).rows
    } catch (error) {
      const code = codeOf(error)
      // The first use: there is no table yet (SQLSTATE undefined_table).
      if (code === '42P01' && !isSetUp) {
        await send(setup, [])
        return await send(text, values, true, attempt)
      }
      // A host may have set its database to serializable. Then the loser of a race gets an error instead of no row; nothing was
      // written, and in a new snapshot the same statement finds the winner's revision.
      if (code === '40001' && attempt < maxAttempts) return await send(text, values, isSetUp, attempt + 1)
      throw error
    }
  }

  const run = (text: string, values: PostgresQuery['values']) => withPlainErrors(() => send(text, values))

  return {
    setup: async () => {
      await run(setup, [])
    },

    async get (merchantId) {
      const [row] = await run(`SELECT ${columns} FROM ${name} WHERE merchant_id = $1`, [merchantId]) as StoredRow[]
      return row && fromRow(row, merchantId)
    },

    async put (next, expected) {
      const { merchantId, revision, dueAt } = next
      const values = [merchantId, revision, dueAt, toDocument(next)]
      const stored = expected === undefined
        ? await run(`INSERT INTO ${name} (merchant_id, revision, due_at, document) VALUES ($1, $2, $3, $4)
            ON CONFLICT (merchant_id) DO NOTHING RETURNING merchant_id`, values)
        : await run(`UPDATE ${name} SET revision = $2, due_at = $3, document = $4 WHERE merchant_id = $1 AND revision = $5
            RETURNING merchant_id`, [...values, expected])
      return stored.length > 0
    },

    async delete (merchantId, expected) {
      const deleted = expected === undefined
        ? await run(`DELETE FROM ${name} WHERE merchant_id = $1 RETURNING merchant_id`, [merchantId])
        : await run(`DELETE FROM ${name} WHERE merchant_id = $1 AND revision = $2 RETURNING merchant_id`, [merchantId, expected])
      return deleted.length > 0
    },

    async list ({ cursor = '', limit, dueBefore }) {
      const select = `SELECT merchant_id AS "merchantId", ${columns} FROM ${name} WHERE merchant_id > $1`
      const page = 'ORDER BY merchant_id LIMIT $2'
      const rows = dueBefore === undefined
        ? await run(`${select} ${page}`, [cursor, limit])
        : await run(`${select} AND due_at <= $3 ${page}`, [cursor, limit, dueBefore])
      return keysetPage(rows as ListRow[], limit)
    }
  }
}
