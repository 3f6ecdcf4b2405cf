import pg from 'pg'

/** A host's PostgreSQL, and how it reads and writes a merchant's document by hand. */
export function open (address, table) {
  const client = new pg.Pool({ connectionString: address })
  return {
    client,
    read: async merchantId => (await client.query(`SELECT document FROM ${table} WHERE merchant_id = $1`, [merchantId])).rows[0]?.document,
    write: (merchantId, document) => client.query(`UPDATE ${table} SET document = $2 WHERE merchant_id = $1`, [merchantId, document])
  }
}
