import { handle, isRecovery, presentedBy } from '../clover.js'
import { handOver, leaveLease, owner } from '../leases.js'
import type { Setting } from '../setting.js'
import { idleProcess, type Call, type Process, type StoredRecord, type World } from '../world.js'
import { isCurrent, nameOf, processOf, store, type Moves } from './move.js'

/*
 * A refresh until Clover has answered: rules 1 to 3, and the mark of rule 6.
 */

/** The next moves of process `p`. */
export function refreshMoves (moves: Moves, p: number): void {
  const { step, isAnswered } = processOf(moves.world, p)
  if (step === 'idle') begin(moves, p)
  else if (step === 'lease') writeLease(moves, p)
  else if (step === 'look') lookForLease(moves, p)
  else if (step === 'asked' && isAnswered) takeAnswer(moves, p)
  else if (step === 'asked') waitForClover(moves, p)
  else if (step === 'mark') writeMark(moves, p)
  if (moves.setting.heartbeats && (step === 'asked' || (step === 'lease' && moves.world.record?.lease === owner.attempt(p)))) renew(moves, p)
}

/** An attempt ends. The process keeps its callback. */
export function end (next: World, p: number): void {
  const process = processOf(next, p)
  leaveLease(next, p, process)
  Object.assign(process, idleProcess)
}

/** Others have the record: the attempt begins again, and would go on under its own lease. */
function giveWay (next: World, p: number): void {
  processOf(next, p).isRemembered = true
  end(next, p)
}

/** Whether nothing can bring back what a call or its pair is lost with: a known limit, and no fault of the rules. */
export function isIrreplaceable (call: Call, { trust, recovery, faults }: Setting): boolean {
  return !faults.irreplaceable && (trust === 'low' || (recovery === 'once' && isRecovery(call)))
}

function begin (moves: Moves, p: number): void {
  const { record, stale } = moves.world
  const { rules, setting } = moves
  if (record === undefined) return
  if (setting.ages > 0 && record.token !== stale) return
  const isOwn = record.lease === owner.remembered(p)
  if (rules.waitsForLease && record.lease !== owner.nobody && !record.isLeaseOver && !isOwn) return
  const found = [record.lease && (record.isLeaseOver ? 'a lease that has ended' : isOwn ? 'a lease of its own' : 'a lease'), record.isMarked && 'a mark']
  moves.step(() => `${nameOf(p)} begins from ${record.token}${withFound(found)}`, next => {
    const process = processOf(next, p)
    Object.assign(process, {
      step: 'lease',
      call: rules.refreshesFirst || setting.trust === 'low' ? 'refresh' : firstRecovery(moves),
      base: record.token,
      spent: record.spent,
      revision: 'stored',
      isDoubtful: setting.trust === 'high' && ((rules.doubtsLease && record.lease !== owner.nobody) || (rules.doubtsMark && record.isMarked))
    } satisfies Partial<Process>)
    if (isOwn && !record.isLeaseOver) {
      process.isRemembered = true
      handOver(next, owner.remembered(p), owner.attempt(p))
    }
    if (!rules.leasesFirst) send(next, p)
  })
}

function withFound (found: (string | boolean | number)[]): string {
  const words = found.filter(word => typeof word === 'string')
  return words.length === 0 ? '' : `, finds ${words.join(' and ')}`
}

function withLease (record: StoredRecord, p: number, { rules }: Moves): StoredRecord {
  return { ...record, lease: owner.attempt(p), isLeaseOver: false, ...(!rules.keepsSpent && { spent: 0 }) }
}

/** The lease is written, first or once more, and the call is sent at once. */
function writeLease (moves: Moves, p: number): void {
  const { world, rules, setting } = moves
  const { record } = world
  const { revision, call } = processOf(world, p)
  const can = record !== undefined && isCurrent(world, revision)
  const name = nameOf(p)
  if (can) {
    moves.step(() => `${name} writes its lease, and sends ${requestOf(world, p)}`, next => {
      store(next, withLease(record, p, moves))
      processOf(next, p).revision = 'stored'
      send(next, p)
    })
  } else moves.step(() => `${name} is refused its lease, and gives way`, next => giveWay(next, p))
  if (!setting.faults.store) return
  const lookOrAsk = (next: World) => {
    const process = processOf(next, p)
    process.isRemembered = true
    if (rules.looksForLease) process.step = 'look'
    else send(next, p)
  }
  const then = rules.looksForLease ? '' : `, and sends ${requestOf(world, p)}`
  moves.fault(() => `${name} fails to write its lease for ${call}${then}`, lookOrAsk)
  if (!can) return
  moves.fault(() => `${name} fails to write its lease, though it is stored${then}`, next => {
    store(next, withLease(record, p, moves))
    lookOrAsk(next)
  })
  if (setting.faults.lateWrites && world.lateWrite === undefined) {
    moves.fault(() => `${name} fails to write its lease, which may be stored later${then}`, next => {
      next.lateWrite = { record: withLease(record, p, moves), over: 'stored', isConnection: false, callback: -1 }
      lookOrAsk(next)
    })
  }
}

/** Only a lease that is seen in the record allows a call. */
function lookForLease (moves: Moves, p: number): void {
  const { world, setting, rules } = moves
  const name = nameOf(p)
  const { lease = owner.nobody, isLeaseOver } = world.record ?? {}
  if (rules.looksForOwn ? lease === owner.attempt(p) && !isLeaseOver : lease !== owner.nobody) {
    moves.step(() => `${name} reads its lease, and sends ${requestOf(world, p)}`, next => {
      processOf(next, p).revision = 'stored'
      send(next, p)
    })
  } else moves.step(() => `${name} does not find its lease, and gives way`, next => giveWay(next, p))
  if (setting.faults.store) moves.fault(() => `${name} fails to read, and ends`, next => end(next, p))
}

/** The attempt renews its record: the same once more, as a new revision. It has a lease there, unless somebody else has changed the record. */
function renew (moves: Moves, p: number): void {
  const { world, rules, setting } = moves
  const { record } = world
  const { revision, base, spent } = processOf(world, p)
  if (record === undefined || revision === 'none') return
  const name = nameOf(p)
  const isOwn = record.lease === owner.attempt(p)
  const renewed: StoredRecord = rules.renewsByRevision ? { ...record } : { ...record, token: base, spent, lease: owner.attempt(p), isLeaseOver: false }
  const can = (isCurrent(world, revision) && isOwn) || !rules.renewsByRevision
  if (can) {
    moves.outside(() => `${name} renews its record`, next => {
      store(next, renewed)
      processOf(next, p).revision = 'stored'
    })
  }
  const isAdopted = isOwn || (!rules.renewsOnlyOwn && record.lease !== owner.nobody)
  if (revision === 'outdated' && isAdopted) {
    moves.outside(() => `${name} cannot renew its record, and reads that it has a lease`, next => { processOf(next, p).revision = 'stored' })
  }
  if (!setting.faults.store || !can) return
  moves.fault(() => `${name} fails to renew its record, though it is stored`, next => store(next, renewed))
  if (setting.faults.lateWrites && world.lateWrite === undefined && isCurrent(world, revision)) {
    moves.fault(() => `${name} fails to renew its record, which may be stored later`, next => {
      next.lateWrite = { record: renewed, over: 'stored', isConnection: false, callback: -1 }
    })
  }
}

function send (next: World, p: number): void {
  const process = processOf(next, p)
  process.step = 'asked'
  process.isAnswered = false
  process.pair = 0
  // A recovery counts for two: where nothing goes wrong there is none.
  if (next.stale !== 0) next.calls = Math.min(7, next.calls + (isRecovery(process.call) ? 2 : 1))
}

function requestOf (world: World, p: number): string {
  const process = processOf(world, p)
  return `${isRecovery(process.call) ? 'recover' : 'refresh'}(${presentedBy(process)})`
}

function waitForClover (moves: Moves, p: number): void {
  const { world, setting } = moves
  const { faults } = setting
  const { call } = processOf(world, p)
  const request = () => `${nameOf(p)}'s ${requestOf(world, p)}`
  const answer = (next: World, pair: number) => Object.assign(processOf(next, p), { isAnswered: true, pair })
  moves.step(() => `Clover handles ${request()}`, next => {
    answer(next, handle(next, setting, isRecovery(call), presentedBy(processOf(next, p))))
  })
  if (faults.refusals) moves.fault(() => `Clover refuses ${request()} whatever it is`, next => answer(next, 0))
  if (faults.answers) unanswered(moves, p, () => `${request()} gets lost`, () => {})
  if (faults.lateRequests && world.lateRequest === undefined && !isIrreplaceable(call, setting)) {
    unanswered(moves, p, () => `${request()} is given up, and on its way still`, next => leaveRequest(next, p))
  }
}

/** The request of a process that gives up stays on its way. */
export function leaveRequest (next: World, p: number): void {
  const process = processOf(next, p)
  next.lateRequest = { isRecovery: isRecovery(process.call), token: presentedBy(process) }
}

/** Without an answer, the attempt ends and leaves its lease, or asks the same again while the lease is its own. */
function unanswered (moves: Moves, p: number, why: () => string, change: (next: World) => void): void {
  const { rules } = moves
  const name = nameOf(p)
  moves.fault(() => `${why()}; ${name} ends`, next => {
    change(next)
    const process = processOf(next, p)
    if (!rules.leavesTrace && next.record !== undefined && isCurrent(next, process.revision)) {
      store(next, { ...next.record, lease: owner.nobody, isLeaseOver: false })
    }
    process.isRemembered = true
    end(next, p)
  })
  moves.fault(() => `${why()}; ${name} asks again`, next => {
    change(next)
    const process = processOf(next, p)
    if (rules.doubtsUnanswered && isRecovery(process.call)) process.isDoubtful = true
    Object.assign(process, { isAnswered: false, pair: 0 })
    if (rules.leasesRepeat) process.step = 'lease'
    else send(next, p)
  })
}

function takeAnswer (moves: Moves, p: number): void {
  const { world, setting, rules } = moves
  const { call, pair, spent } = processOf(world, p)
  const name = nameOf(p)
  const isLossy = setting.faults.answers && (pair === 0 || !isIrreplaceable(call, setting))
  if (isLossy) unanswered(moves, p, () => `the answer to ${name}'s ${requestOf(world, p)} gets lost`, () => {})
  if (pair !== 0) {
    moves.step(() => `${name} gets the pair ${pair}`, next => {
      const process = processOf(next, p)
      const presented = presentedBy(process)
      const isRecovered = isRecovery(call)
      const isDoubtful = setting.trust === 'high' && (process.isDoubtful || (isRecovered && rules.doubtsRecovered))
      Object.assign(process, { step: 'write', presented, isRecovered, isDoubtful, isAnswered: false, call: 'refresh', spent: 0 } satisfies Partial<Process>)
    })
    return
  }
  const following = nextCall(moves, call, spent !== 0)
  moves.step(() => `${name} gets the refusal`, next => goOn(next, p, following, moves))
}

function goOn (next: World, p: number, following: Call | 'mark', { rules }: Moves): void {
  const process = processOf(next, p)
  process.isAnswered = false
  if (following === 'mark') {
    process.step = 'mark'
    return
  }
  process.step = 'lease'
  process.call = following
  if (!rules.leasesRecovery) send(next, p)
}

/** The next call after a refusal, or the mark. */
function nextCall ({ rules, setting }: Moves, call: Call, hasSpent: boolean): Call | 'mark' {
  const recovers = setting.trust === 'high' && (rules.recoversUnasked || setting.offersRecovery)
  const order = recovers ? callsInOrder(rules) : ['refresh' as const]
  const following = order.slice(order.indexOf(call) + 1).find(other => other !== 'recover the spent' || hasSpent)
  return following ?? 'mark'
}

function firstRecovery ({ rules }: Moves): Call {
  return callsInOrder(rules)[0] as Call
}

function callsInOrder ({ refreshesFirst, triesSpent }: Moves['rules']): Call[] {
  const recoveries: Call[] = triesSpent ? ['recover', 'recover the spent'] : ['recover']
  return refreshesFirst ? ['refresh', ...recoveries] : [...recoveries, 'refresh']
}

function writeMark (moves: Moves, p: number): void {
  const { world, setting, rules } = moves
  const { record } = world
  const { revision, base, spent } = processOf(world, p)
  const name = nameOf(p)
  const can = record !== undefined && (isCurrent(world, revision) || !rules.marksByRevision)
  if (!can) {
    moves.step(() => `${name} is refused the mark, and ends`, next => giveWay(next, p))
    return
  }
  const marked: StoredRecord = { ...record, token: base, spent: rules.keepsSpent ? spent : 0, lease: owner.nobody, isLeaseOver: false, isMarked: true }
  moves.step(() => `${name} marks the merchant`, next => {
    store(next, marked)
    end(next, p)
  })
  if (!setting.faults.store) return
  moves.fault(() => `${name} fails to mark the merchant`, next => end(next, p))
  moves.fault(() => `${name} fails to mark the merchant, though it is stored`, next => {
    store(next, marked)
    end(next, p)
  })
  if (setting.faults.lateWrites && world.lateWrite === undefined && isCurrent(world, revision)) {
    moves.fault(() => `${name} fails to mark the merchant, which may be stored later`, next => {
      next.lateWrite = { record: marked, over: 'stored', isConnection: false, callback: -1 }
      end(next, p)
    })
  }
}
