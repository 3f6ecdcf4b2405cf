import { isLive, isRecoverable, isRecovery, presentedBy, wouldEnd } from './clover.js'
import type { Kind } from './moves/move.js'
import { owner } from './leases.js'
import type { Setting } from './setting.js'
import type { Process, Token, World } from './world.js'

/*
 * The properties. P1, and half of P2, depend on all that can follow, so the search decides them; the others look at a state, or at a move.
 */

export type Property = 'P1' | 'P2' | 'P3' | 'P4' | 'P5' | 'P6' | 'P7'

export const properties: Record<Property, string> = {
  P1: 'once faults stop, the stored refresh token works again',
  P2: 'a recovery is sent only under the sender\'s own lease, and none ends a healthy pair for good',
  P3: 'an older pair never overwrites a newer one that works',
  P4: 'without faults Clover gets one refresh',
  P5: 'a disconnect is final',
  P6: 'a process that lives does not abandon the last pair that works',
  P7: 'where the stored refresh token is dead, or a request on its way could end it, the record is due soon'
}

/** Whether P1 has nothing to wish for, or nothing that the rules could do. */
export function isWell (world: World): boolean {
  const { record } = world
  return record === undefined || world.hasLeft || (isLive(world, record.token) && !record.isMarked)
}

/** The properties that a state violates. */
export function violatedIn (world: World, setting: Setting): Property[] {
  const violated: Property[] = []
  if (world.calls > 1) violated.push('P4')
  if (setting.trust === 'high' && !isDueSoon(world) && isInDanger(world)) violated.push('P7')
  return violated
}

/** Whether a process that lives holds a pair that is not stored, or is at work on the record: it may crash in the next moment. */
export function isAttended ({ processes }: World): boolean {
  return processes.some(({ step }) => step !== 'idle')
}

/** Keep-alive looks at the record within a day. */
function isDueSoon ({ record }: World): boolean {
  return record === undefined || record.lease !== 0 || record.isMarked || record.isDoubtful
}

/** The stored refresh token is dead, or a request on its way could end it. */
function isInDanger (world: World): boolean {
  const { record, lateRequest, processes } = world
  if (record === undefined) return false
  const { token } = record
  return !isLive(world, token) ||
    (lateRequest !== undefined && wouldEnd(world, lateRequest.isRecovery, lateRequest.token, token)) ||
    processes.some(process => isWaiting(process) && wouldEnd(world, isRecovery(process.call), presentedBy(process), token))
}

/** The properties that a move violates. */
export function violatedBy (before: World, after: World, kind: Kind, setting: Setting): Property[] {
  const violated: Property[] = []
  if (recoversUnleased(before, after)) violated.push('P2')
  if (overwritesNewer(before, after)) violated.push('P3')
  if (bringsBack(before, after)) violated.push('P5')
  if (kind !== 'crash' && abandons(before, after, setting)) violated.push('P6')
  return violated
}

function recoversUnleased (before: World, after: World): boolean {
  return after.processes.some((process, p) =>
    isWaiting(process) && isRecovery(process.call) && !isWaiting(before.processes[p]) && after.record?.lease !== owner.attempt(p)
  )
}

/** Whether a request is on its way to Clover. */
function isWaiting (process: Process | undefined): boolean {
  return process?.step === 'asked' && !process.isAnswered
}

function overwritesNewer (before: World, after: World): boolean {
  const [from, to] = [before.record?.token, after.record?.token]
  if (from === undefined || to === undefined || from === to || !isLive(before, from)) return false
  const age = (token: number) => after.chains.findIndex(({ live }) => live === token)
  // Of a marked pair nobody knows that it works: an older one that does is no loss.
  return !isLive(after, to) || (age(to) < age(from) && !before.record?.isMarked)
}

/** A record appears, and it is not that of a callback which found none and has heard of no failure. */
function bringsBack (before: World, after: World): boolean {
  if (before.record !== undefined || after.record === undefined) return false
  const { token } = after.record
  // The store cannot distinguish a first write that happens late from one in time.
  if (before.lateWrite?.isConnection && after.lateWrite === undefined) return false
  return !before.processes.some(({ callback }) => callback.token === token && callback.step === 'write' && callback.stored === 'none' && !callback.isUnknown)
}

/** Nothing that works is stored or can be recovered with, and a process lets go of a pair that works. */
function abandons (before: World, after: World, { trust }: Setting): boolean {
  const { record } = after
  if (record === undefined || isLive(after, record.token)) return false
  if (trust === 'high' && (isRecoverable(after, record.token) || isRecoverable(after, record.spent))) return false
  return !pairs(after, true).some(token => isLive(after, token)) && pairs(before, false).some(token => isLive(after, token))
}

/** The refresh tokens of the pairs that processes hold, and on request of those that Clover's answers bring them. */
function pairs ({ processes }: World, withAnswers: boolean): Token[] {
  return processes.flatMap(({ step, isAnswered, pair, callback }) => [
    ...(step === 'write' || step === 'settle' || (withAnswers && isAnswered) ? [pair] : []), callback.token
  ])
}
