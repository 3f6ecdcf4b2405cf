import type { CloverStorage, Installation, ListPage, ListQuery } from '../../storage/contract.js'
import { check, fail } from './failure.js'

/** The outcome of a write to locked data, which may reject. */
export type Attempt = boolean | 'rejected'

/** The adapter with a check of every reply's type and a deadline for every call. */
export interface CheckedStorage {
  /** Returns undefined for null. */
  get (merchantId: string): Promise<Installation | undefined>
  put (next: Installation, expected: string | undefined): Promise<boolean>
  delete (merchantId: string, expected?: string): Promise<boolean>
  /** As `put`, but resolves with `'rejected'` if the adapter rejects. */
  tryPut (next: Installation, expected: string | undefined): Promise<Attempt>
  /** As `delete`, but resolves with `'rejected'` if the adapter rejects. */
  tryDelete (merchantId: string, expected: string): Promise<Attempt>
  /** Undefined if the adapter has none. */
  list: ((query: ListQuery) => Promise<ListPage>) | undefined
}

/** Wraps an adapter. `timeout`: milliseconds for one call. */
export function checkedStorage (storage: CloverStorage, timeout: number): CheckedStorage {
  for (const method of ['get', 'put', 'delete'] as const) {
    check(typeof storage[method] === 'function', `The adapter has no method ${method}.`)
  }

  return {
    async get (merchantId) {
      const reply = await settled('get', () => storage.get(merchantId), timeout,
        'get must resolve undefined or null for a merchant that is not stored, and the record for one that is')
      if (reply === null || reply === undefined) return undefined
      check(isRecord(reply), `get resolved ${describe(reply)}: it must resolve the record that was put, as an object, or undefined.`)
      return reply
    },

    async put (next, expected) {
      return checkedPut(await settled('put', () => storage.put(next, expected), timeout,
        'put must take any record, and resolve false where another revision is stored or a race is lost (catch a unique-key violation of your database)'))
    },

    async delete (merchantId, expected) {
      const call = expected === undefined ? () => storage.delete(merchantId) : () => storage.delete(merchantId, expected)
      return checkedDelete(await settled('delete', call, timeout, 'a delete that finds nothing, or another revision, must resolve false'))
    },

    async tryPut (next, expected) {
      const reply = await inTime('put', orRejected(() => storage.put(next, expected)), timeout)
      return reply === 'rejected' ? reply : checkedPut(reply)
    },

    async tryDelete (merchantId, expected) {
      const reply = await inTime('delete', orRejected(() => storage.delete(merchantId, expected)), timeout)
      return reply === 'rejected' ? reply : checkedDelete(reply)
    },

    list: storage.list === undefined
      ? undefined
      : async query => {
        const reply = await settled('list', async () => await storage.list?.(query), timeout, 'list must resolve a page')
        return checkedPage(reply, query.limit)
      }
  }
}

function checkedPut (reply: unknown): boolean {
  check(typeof reply === 'boolean', `put resolved ${describe(reply)}: it must resolve true if it stored the record, and false if not.`)
  return reply
}

function checkedDelete (reply: unknown): boolean {
  check(typeof reply === 'boolean', `delete resolved ${describe(reply)}: it must resolve true if it deleted a record, and false if not.`)
  return reply
}

async function orRejected (call: () => Promise<unknown>): Promise<unknown> {
  try {
    return await call()
  } catch {
    return 'rejected'
  }
}

function checkedPage (reply: unknown, limit: number): ListPage {
  check(typeof reply === 'object' && reply !== null && 'items' in reply && Array.isArray(reply.items),
    `list resolved ${describe(reply)}: it must resolve { items, cursor? } with an array of records.`)
  const { items, cursor } = reply as { items: unknown[], cursor?: unknown }
  check(items.every(isRecord), 'list gave items that are not records: each must be the record that was put.')
  check(items.length <= limit, `list gave ${items.length} records where the limit was ${limit}: keep the rest for the next page.`)
  check(cursor === undefined || typeof cursor === 'string',
    `list gave ${describe(cursor)} as cursor: it must be a string, or absent on the last page.`)
  return cursor === undefined ? { items } : { items, cursor }
}

/** Resolves with the result of a call. `hint`: the expected behaviour, for the error if the call rejects. */
async function settled (method: string, call: () => Promise<unknown>, timeout: number, hint: string): Promise<unknown> {
  return await inTime(method, reply(method, call, hint), timeout)
}

async function reply (method: string, call: () => Promise<unknown>, hint: string): Promise<unknown> {
  try {
    return await call()
  } catch (error) {
    return fail(`${method} rejected with "${error instanceof Error ? error.message : String(error)}": ${hint}.`, error)
  }
}

async function inTime (method: string, call: Promise<unknown>, timeout: number): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const late = Symbol('late')
  const deadline = new Promise<typeof late>(resolve => { timer = setTimeout(resolve, timeout, late) })
  try {
    const outcome = await Promise.race([deadline, call])
    return outcome === late ? fail(`${method} did not settle within ${timeout} milliseconds.`) : outcome
  } finally {
    clearTimeout(timer)
  }
}

function isRecord (value: unknown): value is Installation {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function describe (value: unknown): string {
  if (value === null || typeof value !== 'object') return typeof value === 'string' ? 'a string' : String(value)
  return Array.isArray(value) ? 'an array' : 'an object'
}
