import { randomBytes } from 'node:crypto'
import { type Test } from 'tap'
import { encryptedStorage, memoryStorage, type CloverStorage, type Installation } from '../../src/storage/index.js'
import { merchant, record } from '../../src/testing/conformance/records.js'

export const [first, second] = ['2026-01', '2026-11'].map(id => ({ id, key: randomBytes(32) })) as [{ id: string, key: Buffer }, { id: string, key: Buffer }]
export const secrets = ['accessToken', 'refreshToken', 'spentRefreshToken'] as const
export const tokens = { accessToken: 'CANARY-access', refreshToken: 'CANARY-refresh', spentRefreshToken: 'CANARY-spent' }

/** A merchant's record, sealed into a store, and the record as it is stored. */
export async function sealedRecord (storage = memoryStorage()) {
  const plain: Installation = { ...record(), ...tokens }
  await encryptedStorage(storage, { keys: [first] }).put(plain, undefined)
  return { storage, plain, stored: await storage.get(plain.merchantId) as Installation & { sealed?: string } }
}

/** Puts a changed record in the place of the stored one. */
export async function replace (storage: CloverStorage, next: Installation) {
  const stored = await storage.get(next.merchantId)
  await storage.put(next, stored?.revision)
}

export const refuses = (t: Test, storage: CloverStorage, reason: RegExp) =>
  t.rejects(encryptedStorage(storage, { keys: [first] }).get(merchant(1)), { code: 'FST_CLOVER_SEALED', statusCode: 500, merchantId: merchant(1), message: reason })
