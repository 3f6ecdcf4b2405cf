import { owner } from '../leases.js'
import type { Process, StoredRecord, World } from '../world.js'
import { end } from './refresh.js'
import { isCurrent, nameOf, processOf, store, type Moves } from './move.js'

/*
 * A pair that Clover gave and that is not stored: rules 4, 5 and 18.
 */

/** The next moves of process `p`. */
export function pairMoves (moves: Moves, p: number): void {
  const { step } = processOf(moves.world, p)
  if (step === 'write') writePair(moves, p)
  else if (step === 'settle') settle(moves, p)
}

function withPair ({ pair, presented, base, isRecovered, isDoubtful }: Process, { rules }: Moves): StoredRecord {
  return { token: pair, spent: rules.namesPresented ? presented : base, isRecovered, lease: owner.nobody, isLeaseOver: false, isMarked: false, isDoubtful }
}

function writePair (moves: Moves, p: number): void {
  const { world, rules, setting } = moves
  const process = processOf(world, p)
  const { pair, revision } = process
  const name = nameOf(p)
  const can = isCurrent(world, revision) || (!rules.writesByRevision && world.record !== undefined)
  const stored = withPair(process, moves)
  if (can) {
    moves.step(() => `${name} writes the pair ${pair}`, next => {
      store(next, stored)
      end(next, p)
    })
  } else moves.step(() => `${name} is refused the write of ${pair}`, next => { processOf(next, p).step = 'settle' })
  if (!setting.faults.store) return
  // Where the pair is held, a write that fails and does nothing changes nothing.
  if (!rules.holdsPair) moves.fault(() => `${name} fails to write ${pair}, and drops it`, next => end(next, p))
  if (!can) return
  moves.fault(() => `${name} fails to write ${pair}, though it is stored`, next => {
    store(next, stored)
    if (!rules.holdsPair) end(next, p)
  })
  if (setting.faults.lateWrites && world.lateWrite === undefined && isCurrent(world, revision)) {
    moves.fault(() => `${name} fails to write ${pair}, which may be stored later`, next => {
      next.lateWrite = { record: stored, over: revision === 'none' ? 'none' : 'stored', isConnection: false, callback: -1 }
      if (!rules.holdsPair) end(next, p)
    })
  }
}

/** The record is another one than the pair was to be written over: what does it say? */
function settle (moves: Moves, p: number): void {
  const { world: { record }, rules, setting } = moves
  const { pair, presented, base, isRecovered } = processOf(moves.world, p)
  const name = nameOf(p)
  const again = (why: string, change: (process: Process) => void = () => {}) => moves.step(() => `${name} reads ${why}, and will write ${pair} over it`, next => {
    const process = processOf(next, p)
    Object.assign(process, { step: 'write', revision: next.record === undefined ? 'none' : 'stored' } satisfies Partial<Process>)
    change(process)
  })
  const drop = (why: string) => moves.step(() => `${name} reads ${why}, and drops ${pair}`, next => end(next, p))

  if (record === undefined) {
    if (rules.dropsForGone) drop('that the merchant is gone')
    else again('that the merchant is gone')
    return
  }
  if (record.token === pair || record.spent === pair) {
    moves.step(() => `${name} reads that ${pair} is stored`, (next: World) => end(next, p))
    return
  }
  const isLeased = record.lease !== owner.nobody && record.lease !== owner.attempt(p)
  const isUntouched = record.token === base && (rules.overwritesLease || !isLeased) && (rules.overwritesMark || !record.isMarked)
  const isOfSame = record.spent === presented
  const isEnded = isOfSame && isRecovered && (!record.isRecovered || !rules.recoveredStays) && rules.overwritesEnded
  if (isUntouched || isEnded || (isOfSame && !rules.overwritesOnlyEnded) || !rules.newerStays) {
    const found = `${record.token}${isLeased ? ' under a lease' : ''}${record.isMarked ? ' under a mark' : ''}`
    again(found, process => {
      const isDoubted = (rules.doubtsOverMark && record.isMarked) || (rules.doubtsOverLease && isLeased)
      if (setting.trust === 'high' && isDoubted) process.isDoubtful = true
    })
  } else drop(`the newer ${record.token}`)
}
