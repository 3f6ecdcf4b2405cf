import { setTimeout } from 'node:timers/promises'
import type { Installation } from '../../storage/contract.js'
import type { Attempt, CheckedStorage } from './checked-storage.js'
import { check } from './failure.js'
import { after, merchant, record } from './records.js'
import { all, checkNothing, checkStored, insert, type Store, type Trial } from './trial.js'

const rounds = 3
const writers = 4

/** Milliseconds of a lock: for a single write that waits for it, and beside several writers. */
const [longLock, shortLock] = [100, 20]

/** Starts a write while the data is locked, and ends the lock once the write has settled or after `longLock`. Resolves with the write's outcome. */
async function underLock (lock: Store['lock'], write: () => Promise<Attempt>): Promise<Attempt> {
  const unlock = await lock()
  const attempt = write()
  await Promise.allSettled([Promise.race([attempt, setTimeout(longLock)])])
  await unlock()
  return await attempt
}

/** Fails the case unless another connection sees the result that put reported. Resolves with the stored record. */
async function checkPut (reader: CheckedStorage, before: Installation, next: Installation, attempt: Attempt, when: string): Promise<Installation> {
  check(attempt !== false, `${when} put resolved false although its expected revision is stored: it must wait for the lock, or reject.`)
  if (attempt === true) {
    await checkStored(reader, next, `${when} put resolved true, and another connection sees nothing of it: a put that resolves true must be committed`)
    return next
  }
  const seen = await reader.get(next.merchantId)
  const stored = seen?.revision === next.revision ? next : before
  await checkStored(reader, stored, `${when} put rejected, and left something else than the record before or the next`)
  return stored
}

async function confirmedPuts ({ storage, another, lock }: Store): Promise<void> {
  const reader = another()
  let current = await insert(storage, record({ updatedAt: 0 }))
  for (let round = 0; round < rounds; round++) {
    const next = after(current, { updatedAt: current.updatedAt + 1 })
    const attempt = await underLock(lock, () => storage.tryPut(next, current.revision))
    current = await checkPut(reader, current, next, attempt, 'While another connection locked the data,')

    const attempts: Attempt[] = []
    for (let put = 0; put < rounds; put++) {
      const next = after(current, { updatedAt: current.updatedAt + 1 })
      const attempt = await storage.tryPut(next, current.revision)
      current = await checkPut(reader, current, next, attempt, 'After another connection had locked the data,')
      attempts.push(attempt)
    }
    check(attempts.includes(true), `After another connection had locked the data, put rejected ${rounds} times in a row: it must work again when the lock has ended.`)
  }
}

async function confirmedDeletes ({ storage, another, lock }: Store): Promise<void> {
  const reader = another()
  for (let round = 0; round < rounds; round++) {
    const first = await insert(storage, record({ merchantId: merchant(round) }))
    const attempt = await underLock(lock, () => storage.tryDelete(first.merchantId, first.revision))
    check(attempt !== false, 'While another connection locked the data, delete resolved false although its expected revision is stored: it must wait for the lock, or reject.')
    if (attempt === true) await checkNothing(reader, first.merchantId, 'While another connection locked the data, delete resolved true, and the record is still there')
  }
}

async function countUpUnderLocks ({ storage, another, lock }: Store): Promise<void> {
  const each = 4
  const maxTries = 500
  const other = another()
  const first = await insert(storage, record({ updatedAt: 0 }))
  let [confirmed, rejected] = [0, 0]
  const counting = Array.from({ length: writers }, async (_, writer) => {
    const server = writer % 2 === 0 ? storage : other
    for (let done = 0, tries = 0; done < each; tries++) {
      check(tries < maxTries, `A writer that read the record and put the next ${maxTries} times stored it ${done} times, although the data was locked only for short times.`)
      const read = await server.get(first.merchantId)
      check(read !== undefined, 'A record vanished for a moment while writers replaced it and another connection locked the data.')
      const attempt = await server.tryPut(after(read, { updatedAt: read.updatedAt + 1 }), read.revision)
      if (attempt === true) done++
      if (attempt === true) confirmed++
      if (attempt === 'rejected') rejected++
      await setTimeout(1)
    }
  })
  await all([...counting, lockNowAndThen(lock)])
  const last = await other.get(first.merchantId)
  check(last !== undefined && last.updatedAt >= confirmed && last.updatedAt <= confirmed + rejected, `put confirmed ${confirmed} increments and rejected ` +
    `${rejected}, and the record says ${last?.updatedAt}, while another connection repeatedly locked the data: updates were lost.`)
}

async function lockNowAndThen (lock: Store['lock']): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const unlock = await lock()
    await setTimeout(shortLock)
    await unlock()
    await setTimeout(shortLock)
  }
}

/** The behaviour while another connection locks the data. A write may wait or reject; a confirmed write must be committed. */
export const lockCases: Trial[] = [
  { name: 'a put that resolves true while another connection locks the data, or afterwards, is stored', attempt: confirmedPuts },
  { name: 'a delete that resolves true while another connection locks the data is committed', attempt: confirmedDeletes },
  { name: 'no update is lost between get and put while another connection repeatedly locks the data', attempt: countUpUnderLocks }
]
