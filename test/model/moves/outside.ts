import { handle, wouldEnd } from '../clover.js'
import { forgetLeases, owner } from '../leases.js'
import { idleCallback, idleProcess, type World } from '../world.js'
import { connect, otherConnection } from './callback.js'
import { isIrreplaceable, leaveRequest } from './refresh.js'
import { nameOf, processOf, store, type Moves } from './move.js'

/*
 * Moves that no process decides on: time, crashes, late requests, late writes, and merchants who leave.
 */

export function outsideMoves (moves: Moves): void {
  moves.world.processes.forEach((_, p) => crash(moves, p))
  leaseEnds(moves)
  lateRequest(moves)
  lateWrite(moves)
  disconnect(moves)
  tokenAges(moves)
}

function crash (moves: Moves, p: number): void {
  const { world, setting } = moves
  const process = processOf(world, p)
  const { step, call, isAnswered, pair, isRecovered, callback } = process
  const remembersLease = world.record?.lease === owner.remembered(p) || world.lateWrite?.record.lease === owner.remembered(p)
  if (!setting.faults.crashes || (step === 'idle' && callback.step === 'idle' && !remembersLease)) return
  if (pair !== 0 && isIrreplaceable(isRecovered ? 'recover' : call, setting)) return
  moves.crash(() => `${nameOf(p)} crashes and starts again`, next => startAgain(next, p))
  const isOnItsWay = step === 'asked' && !isAnswered
  if (isOnItsWay && setting.faults.lateRequests && world.lateRequest === undefined && !isIrreplaceable(call, setting)) {
    moves.crash(() => `${nameOf(p)} crashes and starts again, its request is on its way still`, next => {
      leaveRequest(next, p)
      startAgain(next, p)
    })
  }
}

function startAgain (next: World, p: number): void {
  forgetLeases(next, p)
  Object.assign(processOf(next, p), idleProcess, { callback: { ...idleCallback } })
  if (next.lateWrite?.callback === p) next.lateWrite.callback = -1
}

/** A lease ends by itself. That it does while its attempt is at work is a fault. */
function leaseEnds (moves: Moves): void {
  const { record, processes } = moves.world
  if (record === undefined || record.lease === owner.nobody || record.isLeaseOver) return
  const isWorkedUnder = processes.some((_, p) => record.lease === owner.attempt(p))
  if (!isWorkedUnder || !moves.rules.outlasts) moves.step(() => 'the lease ends', endLease)
  else if (moves.setting.faults.leases) moves.fault(() => 'the lease ends although its attempt is at work', endLease)
}

function endLease ({ record }: World): void {
  if (record !== undefined) record.isLeaseOver = true
}

function lateRequest (moves: Moves): void {
  const { world, setting } = moves
  const { lateRequest: request } = world
  if (request === undefined) return
  const what = () => `the late ${request.isRecovery ? 'recover' : 'refresh'}(${request.token})`
  const isHeard = world.chains.some(({ live }) => wouldEnd(world, request.isRecovery, request.token, live))
  if (isHeard) {
    moves.outside(() => `Clover handles ${what()}: nobody gets the pair`, next => {
      handle(next, setting, request.isRecovery, request.token)
      next.lateRequest = undefined
    })
  }
  moves.step(() => `${what()} ${isHeard ? 'never arrives' : 'is refused, or never arrives'}`, next => { next.lateRequest = undefined })
}

function lateWrite (moves: Moves): void {
  const { lateWrite: write, record } = moves.world
  if (write === undefined) return
  const what = () => `the late write of ${write.record.token}${write.record.lease ? ' with a lease' : ''}${write.record.isMarked ? ' with a mark' : ''}`
  if (write.over === (record === undefined ? 'none' : 'stored')) {
    moves.outside(() => `${what()} happens`, next => {
      next.lateWrite = undefined
      if (!write.isConnection) return store(next, write.record)
      connect(next, write.record)
      const callback = next.processes[write.callback]?.callback
      if (callback?.token === write.record.token) callback.stored = 'mine'
    })
  }
  moves.step(() => `${what()} does not happen`, next => { next.lateWrite = undefined })
}

/** The record is deleted. The processes learn of it when they next read or write. */
function disconnect (moves: Moves): void {
  if (!moves.setting.disconnects || moves.world.record === undefined) return
  moves.visit(() => 'the merchant is disconnected', next => {
    store(next, undefined)
    otherConnection(next)
  })
}

function tokenAges (moves: Moves): void {
  const { record, stale, agesLeft } = moves.world
  if (agesLeft === 0 || record === undefined || record.token === stale) return
  moves.step(() => `the access token of ${record.token} grows old`, next => {
    next.stale = record.token
    next.calls = 0
    next.agesLeft--
  })
}
