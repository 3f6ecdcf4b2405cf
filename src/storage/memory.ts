import type { CloverStorage } from './contract.js'
import { fromRow, toDocument } from './document.js'
import { withDurability } from './durability.js'
import { keysetPage } from './page.js'

interface Row {
  revision: string
  dueAt: number | null
  document: string
}

/**
 * Keeps installations in memory: for tests and for a first try.
 *
 * When the process ends, every merchant must authorize again. Other processes do not see the records.
 */
export function memoryStorage (): Required<CloverStorage> {
  const rows = new Map<string, Row>()

  const storage: Required<CloverStorage> = {
    async get (merchantId) {
      const row = rows.get(merchantId)
      return row && fromRow(row, merchantId)
    },

    async put (next, expected) {
      const { merchantId, revision, dueAt } = next
      if (rows.get(merchantId)?.revision !== expected) return false
      // Stored as text: with a reference, later changes of the caller's object would change the store.
      rows.set(merchantId, { revision, dueAt, document: toDocument(next) })
      return true
    },

    async delete (merchantId, expected) {
      if (expected !== undefined && rows.get(merchantId)?.revision !== expected) return false
      return rows.delete(merchantId)
    },

    async list ({ cursor = '', limit, dueBefore }) {
      const page = [...rows]
        .filter(([merchantId, { dueAt }]) => merchantId > cursor && (dueBefore === undefined || (dueAt !== null && dueAt <= dueBefore)))
        .sort(([a], [b]) => a < b ? -1 : 1)
        .slice(0, limit)
        .map(([merchantId, row]) => ({ merchantId, ...row }))
      return keysetPage(page, limit)
    }
  }
  return withDurability(storage, async () => ({ store: 'memory', servers: [{ keeps: 'until the process ends' }] }))
}
