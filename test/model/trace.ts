import { prune } from './clover.js'
import type { Encoding } from './encoding.js'
import { owner, type Owner } from './leases.js'
import { eachMove, type Kind } from './moves/index.js'
import { nameOf } from './moves/move.js'
import { violatedBy, type Property } from './properties.js'
import type { Rules } from './rules.js'
import type { Setting } from './setting.js'
import { newToken, start, type StoredRecord, type World } from './world.js'

/**
 * Prints a history, a line for each move: the move, then the stored record, the tokens that work at Clover, and the pairs that processes
 * hold. Processes and tokens keep their names from the first line to the last.
 *
 * @param path the states after each move
 * @param violated if given, the move that comes next and violates this property is printed too
 */
export function retrace (setting: Setting, rules: Rules, encoding: Encoding, path: Uint8Array[], violated?: Property): string[] {
  let world = start(setting)
  let tokens = 1
  const lines: string[] = []
  const follow = (isNext: (next: World, kind: Kind) => boolean) => {
    let found: { next: World, label: string } | undefined
    eachMove(world, setting, rules, (next, label, kind) => {
      if (found === undefined && isNext(next, kind)) found = { next, label: label() }
    })
    if (found === undefined) throw new Error('no move leads on')
    const { next, label } = found
    if (nameNewToken(next, tokens + 1)) tokens++
    prune(next)
    world = next
    lines.push(`${String(lines.length + 1).padStart(3)}. ${label.padEnd(72)} ${describe(world)}`)
  }
  for (const state of path) follow(next => isSame(encoding.write(clone(next)), state))
  if (violated !== undefined) follow((next, kind) => violatedBy(world, next, kind, setting).includes(violated))
  return lines
}

function isSame (one: Uint8Array, other: Uint8Array): boolean {
  return one.every((byte, i) => byte === other[i])
}

/** The encoding takes from a world what need not be known. */
function clone (world: World): World {
  return { ...world, chains: world.chains.map(chain => ({ ...chain })) }
}

/** Gives the token that a move has made its number. Returns whether there is one. */
function nameNewToken (world: World, name: number): boolean {
  const named = new Set<object>()
  const parts = [world.record, ...world.chains, world.lateWrite?.record, ...world.processes, ...world.processes.map(({ callback }) => callback)]
  for (const part of parts) {
    for (const [key, value] of Object.entries(part ?? {})) {
      if (value !== newToken) continue
      Object.assign(part as object, { [key]: name })
      named.add(part as object)
    }
  }
  return named.size > 0
}

function describe ({ record, chains, lateRequest, lateWrite, processes }: World): string {
  const held = processes.flatMap(({ step, pair, callback }, p) => [
    ...(pair !== 0 ? [`${nameOf(p)} ${step === 'asked' ? 'is sent' : 'holds'} ${pair}`] : []),
    ...(callback.token !== 0 ? [`${nameOf(p)}'s callback holds ${callback.token}`] : [])
  ])
  return [
    `stored: ${describeRecord(record)}`,
    `Clover: ${chains.map(({ live, spent }) => spent === 0 ? `${live}` : `${live} (or recovers with ${spent})`).join(', ') || 'nothing'}`,
    ...held,
    ...(lateRequest ? [`late: ${lateRequest.isRecovery ? 'recover' : 'refresh'}(${lateRequest.token})`] : []),
    ...(lateWrite ? [`late: write of ${describeRecord(lateWrite.record)}`] : [])
  ].join('; ')
}

function describeRecord (record: StoredRecord | undefined): string {
  if (record === undefined) return 'nothing'
  const { token, spent, isRecovered, lease, isLeaseOver, isMarked, isDoubtful } = record
  return [
    `${token}`,
    spent !== 0 && `spent ${spent}`,
    isRecovered && 'recovered',
    lease !== owner.nobody && `lease of ${describeOwner(lease)}${isLeaseOver ? ', over' : ''}`,
    isMarked && 'mark',
    isDoubtful && 'confirm'
  ].filter(part => part).join(' ')
}

function describeOwner (lease: Owner): string {
  const p = owner.process(lease)
  if (p === undefined) return 'somebody gone'
  return lease === owner.attempt(p) ? nameOf(p) : `${nameOf(p)}, left`
}
