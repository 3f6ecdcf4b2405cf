const { DatabaseSync } = process.getBuiltinModule('node:sqlite') ?? await import('@photostructure/sqlite')

/** A host's SQLite, and how it reads and writes a merchant's document by hand. */
export function open (address, table) {
  const client = new DatabaseSync(address)
  client.exec('PRAGMA journal_mode = WAL')
  return {
    client,
    read: async merchantId => client.prepare(`SELECT document FROM ${table} WHERE merchant_id = ?`).get(merchantId)?.document,
    write: async (merchantId, document) => client.prepare(`UPDATE ${table} SET document = ? WHERE merchant_id = ?`).run(document, merchantId)
  }
}
