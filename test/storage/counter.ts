/*
 * A server process of its own, which counts up in one record with get and put as often as its parent says. It opens the store anew for each
 * count, and tells its parent of each put that rejects.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { CloverStorage } from '../../src/storage/index.js'
import { after, record } from '../../src/testing/conformance/records.js'
import { openStore, type StoreAddress } from '../faults/stores.js'

/** The parent's message. */
export interface Count { address: StoreAddress, increments: number }
/** The messages to the parent: a put rejected, the number of confirmed increments, or an error. */
export type Told = { rejected: string } | { confirmed: number } | { failed: string }

/** Reads the record and puts the next one, until the given number of puts was confirmed. */
export async function countUp (storage: CloverStorage, increments: number, onRejected: (reason: string) => void): Promise<number> {
  const first = record({ updatedAt: 0 })
  let confirmed = 0
  while (confirmed < increments) {
    try {
      const read = await storage.get(first.merchantId)
      const revision = randomUUID().replaceAll('-', '')
      const next = read ? after(read, { revision, updatedAt: read.updatedAt + 1 }) : { ...first, revision, updatedAt: 1 }
      if (await storage.put(next, read?.revision)) confirmed++
    } catch (error) {
      onRejected(String(error))
      await setTimeout(5)
    }
  }
  return confirmed
}

const tell = (told: Told) => { process.send?.(told) }

async function run ({ address, increments }: Count): Promise<void> {
  const { storage, close } = await openStore(address)
  try {
    tell({ confirmed: await countUp(storage, increments, rejected => tell({ rejected })) })
  } finally {
    await close()
  }
}

if (process.send) {
  process.on('message', (count: Count) => { run(count).catch((error: unknown) => tell({ failed: String(error) })) })
  process.send('ready')
}
