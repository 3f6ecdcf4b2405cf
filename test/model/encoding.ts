import { prune } from './clover.js'
import { owner, type Owner } from './leases.js'
import type { Call, Callback, Process, Revision, Step, StoredRecord, Token, World } from './world.js'

/*
 * A state as bytes. Two worlds that differ only in the names of their tokens, or in which process is which, are one state: tokens are
 * numbered as they are met, and of all orders of the processes the one with the smallest bytes is taken. So the number of refreshes has
 * no limit, and the number of states has one.
 */

const steps: readonly Step[] = ['idle', 'lease', 'look', 'asked', 'write', 'settle', 'mark']
const calls: readonly Call[] = ['refresh', 'recover', 'recover the spent']
const revisions: readonly Revision[] = ['none', 'stored', 'outdated']
const callbackSteps: readonly Callback['step'][] = ['idle', 'exchange', 'write', 'look']
const connections: readonly Callback['stored'][] = ['none', 'same', 'mine', 'other']

function numbers<T extends string> (names: readonly T[]): Record<T, number> {
  return Object.fromEntries(names.map((name, number) => [name, number])) as Record<T, number>
}
const stepNumber = numbers(steps)
const callNumber = numbers(calls)
const revisionNumber = numbers(revisions)
const callbackStepNumber = numbers(callbackSteps)
const connectionNumber = numbers(connections)

const recordSize = 4
const processSize = 9

/** Writes states of a number of processes, and reads them. */
export class Encoding {
  readonly size: number
  readonly #processes: number
  /** Each order of the processes: the old place at each new one, and the new place of each old one. */
  readonly #orders: { from: number[], to: number[] }[]
  readonly #names = new Uint8Array(256)
  #named = 0
  #bytes: Uint8Array
  #least: Uint8Array
  #at = 0

  constructor (processes: number) {
    this.#processes = processes
    this.#orders = permutations(processes).map(from => ({ from, to: from.map((_, place) => from.indexOf(place)) }))
    this.size = recordSize + 4 + 2 + recordSize + 1 + 3 + processes * processSize
    this.#bytes = new Uint8Array(this.size)
    this.#least = new Uint8Array(this.size)
  }

  /** Writes a state. The bytes are good until the next call. Tokens that nobody can present any more are taken from the world. */
  write (world: World): Uint8Array {
    prune(world)
    let isFirst = true
    for (const order of this.#orders) {
      this.#writeOrdered(world, order)
      if (isFirst || isLess(this.#bytes, this.#least)) [this.#bytes, this.#least] = [this.#least, this.#bytes]
      isFirst = false
    }
    return this.#least
  }

  /** Reads a state: its tokens have the numbers from 1 on. */
  read (bytes: Uint8Array): World {
    this.#bytes = bytes.slice()
    this.#at = 0
    const record = this.#readRecord()
    const chains = [{ live: this.#next(), spent: this.#next() }, { live: this.#next(), spent: this.#next() }].filter(({ live }) => live !== 0)
    const [requestToken, isRecovery] = [this.#next(), this.#next() === 1]
    const late = this.#readRecord()
    const flags = this.#next()
    const [faultsLeft, stale, more] = [this.#next(), this.#next(), this.#next()]
    return {
      record,
      chains,
      lateRequest: requestToken === 0 ? undefined : { isRecovery, token: requestToken },
      lateWrite: late && { record: late, over: flags & 1 ? 'stored' : 'none', isConnection: (flags & 2) !== 0, callback: (flags >> 2) - 1 },
      processes: Array.from({ length: this.#processes }, () => this.#readProcess()),
      faultsLeft,
      stale,
      isKilled: (more & 1) !== 0,
      hasLeft: (more & 2) !== 0,
      calls: (more >> 2) & 7,
      agesLeft: more >> 5
    }
  }

  #writeOrdered ({ record, chains, lateRequest, lateWrite, processes, isKilled, hasLeft, faultsLeft, stale, calls, agesLeft }: World, { from, to }: { from: number[], to: number[] }): void {
    this.#names.fill(0)
    this.#named = 0
    this.#at = 0
    this.#putRecord(record, to)
    const [older, newer] = chains
    this.#putToken(older?.live ?? 0)
    this.#putToken(older?.spent ?? 0)
    this.#putToken(newer?.live ?? 0)
    this.#putToken(newer?.spent ?? 0)
    this.#putToken(lateRequest?.token ?? 0)
    this.#put(+(lateRequest?.isRecovery ?? false))
    this.#putRecord(lateWrite?.record, to)
    const callback = lateWrite === undefined || lateWrite.callback < 0 ? -1 : to[lateWrite.callback] as number
    this.#put(lateWrite === undefined ? 0 : +(lateWrite.over === 'stored') + 2 * +lateWrite.isConnection + 4 * (callback + 1))
    this.#put(faultsLeft)
    this.#putToken(stale)
    this.#put(+isKilled + 2 * +hasLeft + 4 * calls + 32 * agesLeft)
    for (const place of from) this.#putProcess(processes[place] as Process)
  }

  #putRecord (record: StoredRecord | undefined, places: number[]): void {
    this.#put(record === undefined ? 0 : 1 + 2 * +record.isRecovered + 4 * +record.isLeaseOver + 8 * +record.isMarked + 16 * +record.isDoubtful)
    this.#putToken(record?.token ?? 0)
    this.#putToken(record?.spent ?? 0)
    this.#put(record === undefined ? 0 : moved(record.lease, places))
  }

  #readRecord (): StoredRecord | undefined {
    const flags = this.#next()
    const record = {
      token: this.#next(),
      spent: this.#next(),
      lease: this.#next(),
      isRecovered: (flags & 2) !== 0,
      isLeaseOver: (flags & 4) !== 0,
      isMarked: (flags & 8) !== 0,
      isDoubtful: (flags & 16) !== 0
    }
    return flags === 0 ? undefined : record
  }

  #putProcess ({ step, call, base, spent, revision, isDoubtful, isRemembered, isAnswered, pair, presented, isRecovered, callback }: Process): void {
    this.#put(stepNumber[step] + 8 * callNumber[call] + 32 * revisionNumber[revision])
    this.#put(+isDoubtful + 2 * +isRemembered + 4 * +isAnswered + 8 * +isRecovered)
    this.#putToken(base)
    this.#putToken(spent)
    this.#putToken(pair)
    this.#putToken(presented)
    this.#putToken(callback.token)
    this.#put(callbackStepNumber[callback.step] + 4 * revisionNumber[callback.revision] + 16 * connectionNumber[callback.stored])
    this.#put(+callback.isUnknown)
  }

  #readProcess (): Process {
    const place = this.#next()
    const flags = this.#next()
    const [base, spent, pair, presented, token] = [this.#next(), this.#next(), this.#next(), this.#next(), this.#next()]
    const callback = this.#next()
    return {
      step: steps[place & 7] as Step,
      call: calls[(place >> 3) & 3] as Call,
      base,
      spent,
      revision: revisions[place >> 5] as Revision,
      isDoubtful: (flags & 1) !== 0,
      isRemembered: (flags & 2) !== 0,
      isAnswered: (flags & 4) !== 0,
      pair,
      presented,
      isRecovered: (flags & 8) !== 0,
      callback: {
        step: callbackSteps[callback & 3] as Callback['step'],
        token,
        revision: revisions[(callback >> 2) & 3] as Revision,
        stored: connections[callback >> 4] as Callback['stored'],
        isUnknown: this.#next() === 1
      }
    }
  }

  #put (byte: number): void {
    this.#bytes[this.#at++] = byte
  }

  #putToken (token: Token): void {
    if (token !== 0 && this.#names[token] === 0) this.#names[token] = ++this.#named
    this.#put(this.#names[token] as number)
  }

  #next (): number {
    return this.#bytes[this.#at++] as number
  }
}

/** The owner of a lease after the processes have changed places. */
function moved (lease: Owner, places: number[]): Owner {
  const p = owner.process(lease)
  return p === undefined ? lease : lease + 2 * ((places[p] as number) - p)
}

function isLess (one: Uint8Array, other: Uint8Array): boolean {
  for (let i = 0; i < one.length; i++) {
    const difference = (one[i] as number) - (other[i] as number)
    if (difference !== 0) return difference < 0
  }
  return false
}

function permutations (length: number): number[][] {
  if (length === 0) return [[]]
  return permutations(length - 1).flatMap(shorter => Array.from({ length }, (_, place) => shorter.toSpliced(place, 0, length - 1)))
}
