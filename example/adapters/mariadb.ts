import type { CloverStorage } from 'fastify-clover'
import type { Pool, ResultSetHeader, RowDataPacket } from 'mysql2/promise'

/*
 * create table clover_installations (
 *   merchant_id char(13) character set ascii collate ascii_bin primary key,
 *   revision char(32) character set ascii collate ascii_bin not null,
 *   due_at double, document longtext character set utf8mb4 not null, key (due_at)
 * )
 */
export function mariadbStorage (pool: Pool): CloverStorage {
  const read = async (sql: string, values: Array<string | number>) =>
    (await pool.query<RowDataPacket[]>(sql, values))[0].map(row => JSON.parse(row.document))
  const write = async (sql: string, values: Array<string | number | null>) =>
    (await pool.query<ResultSetHeader>(sql, values))[0].affectedRows > 0
  const falseIfDuplicate = (error: { code?: string }) => {
    if (error.code === 'ER_DUP_ENTRY') return false
    throw error
  }

  return {
    get: async merchantId => (await read('select document from clover_installations where merchant_id = ?', [merchantId]))[0],

    put: (next, expected) => expected === undefined
      ? write('insert into clover_installations (merchant_id, revision, due_at, document) values (?, ?, ?, ?)',
        [next.merchantId, next.revision, next.dueAt, JSON.stringify(next)]).catch(falseIfDuplicate)
      : write('update clover_installations set revision = ?, due_at = ?, document = ? where merchant_id = ? and revision = ?',
        [next.revision, next.dueAt, JSON.stringify(next), next.merchantId, expected]),

    delete: (merchantId, expected) => expected === undefined
      ? write('delete from clover_installations where merchant_id = ?', [merchantId])
      : write('delete from clover_installations where merchant_id = ? and revision = ?', [merchantId, expected]),

    list: async ({ cursor = '', limit, dueBefore = Number.MAX_VALUE }) => {
      const items = await read(
        'select document from clover_installations where merchant_id > ? and coalesce(due_at, 0) <= ? order by merchant_id limit ?',
        [cursor, dueBefore, limit])
      return items.length < limit ? { items } : { items, cursor: items.at(-1).merchantId }
    }
  }
}
