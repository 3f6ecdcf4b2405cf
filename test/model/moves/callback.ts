import { authorize } from '../clover.js'
import { owner } from '../leases.js'
import { idleCallback, type Callback, type StoredRecord, type World } from '../world.js'
import { isCurrent, nameOf, processOf, store, type Moves } from './move.js'

/*
 * A callback that exchanges its code for a pair, where nothing is stored or a dead pair: rule 8.
 */

/** The next moves of the callback of process `p`. */
export function callbackMoves (moves: Moves, p: number): void {
  const { step } = processOf(moves.world, p).callback
  if (step === 'idle') begin(moves, p)
  else if (step === 'exchange') exchange(moves, p)
  else if (step === 'write') write(moves, p)
  else look(moves, p)
}

/** A new connection is stored: for all other callbacks it is another's. */
export function connect (next: World, record: StoredRecord): void {
  store(next, record)
  next.hasLeft = false
  otherConnection(next)
}

/** No record, or another one, is what the callbacks see now. */
export function otherConnection (next: World): void {
  for (const { callback } of next.processes) if (callback.stored !== 'none') callback.stored = 'other'
}

function begin (moves: Moves, p: number): void {
  const { record, processes } = moves.world
  const isWanted = record === undefined || record.isMarked
  if (!isWanted || processes.filter(({ callback }) => callback.step !== 'idle').length >= moves.setting.callbacks) return
  moves.visit(() => `a callback begins at ${nameOf(p)}, and reads ${record ? 'a marked record' : 'no record'}`, next => {
    const stored = record === undefined ? 'none' : 'same'
    processOf(next, p).callback = { step: 'exchange', token: 0, revision: record ? 'stored' : 'none', stored, isUnknown: false }
  })
}

function exchange (moves: Moves, p: number): void {
  // With more authorizations than the model has room for, this one fails.
  const hasRoom = moves.world.chains.length < 2
  moves.step(() => `${nameOf(p)}'s callback ${hasRoom ? 'exchanges its code' : 'fails at Clover'}`, next => {
    const { callback } = processOf(next, p)
    callback.token = authorize(next)
    callback.step = 'write'
    if (callback.token === 0) processOf(next, p).callback = { ...idleCallback }
  })
}

function write (moves: Moves, p: number): void {
  const { world, setting, rules } = moves
  const { token, revision } = processOf(world, p).callback
  const name = nameOf(p)
  const can = isCurrent(world, revision) || (!rules.connectsByRevision && revision !== 'none')
  const record: StoredRecord = { token, spent: 0, isRecovered: false, lease: owner.nobody, isLeaseOver: false, isMarked: false, isDoubtful: false }
  const change = (next: World, change: Partial<Callback>) => Object.assign(processOf(next, p).callback, change)
  if (can) {
    moves.step(() => `${name}'s callback stores its pair ${token}`, next => {
      processOf(next, p).callback = { ...idleCallback }
      connect(next, record)
    })
  } else moves.step(() => `${name}'s callback is refused the write of ${token}`, next => { change(next, { step: 'look' }) })
  if (!setting.faults.store) return
  moves.fault(() => `${name}'s callback fails to store ${token}`, next => { change(next, { step: 'look', isUnknown: true }) })
  if (!can) return
  moves.fault(() => `${name}'s callback fails to store ${token}, though it is stored`, next => {
    connect(next, record)
    change(next, { step: 'look', isUnknown: true, stored: 'mine' })
  })
  if (setting.faults.lateWrites && world.lateWrite === undefined && isCurrent(world, revision)) {
    moves.fault(() => `${name}'s callback fails to store ${token}, which may be stored later`, next => {
      next.lateWrite = { record, over: world.record === undefined ? 'none' : 'stored', isConnection: true, callback: p }
      change(next, { step: 'look', isUnknown: true })
    })
  }
}

function look (moves: Moves, p: number): void {
  const { world, rules } = moves
  const { record } = world
  const { token, stored, isUnknown } = processOf(world, p).callback
  const name = nameOf(p)
  const again = (why: string) => moves.step(() => `${name}'s callback reads ${why}, and will store ${token} again`, next => {
    Object.assign(processOf(next, p).callback, { step: 'write', revision: record === undefined ? 'none' : 'stored' })
  })
  const leave = (why: string) => moves.step(() => `${name}'s callback reads ${why}, and ends`, next => {
    processOf(next, p).callback = { ...idleCallback }
    if (next.lateWrite?.callback === p) next.lateWrite.callback = -1
  })
  if (record === undefined) {
    if (rules.dropsForGoneConnection && (stored !== 'none' || isUnknown)) leave('that the record is gone')
    else again('no record')
  } else if (stored === 'mine') leave('its own connection')
  else if (rules.replacesOwn && stored === 'same') again('the connection that it found')
  else if (record.isMarked && !(isUnknown && rules.leavesMarkedIfUnsure)) again('a marked connection')
  else if (!rules.leavesOther) again('another connection')
  else leave('another connection')
}
