import type { Rules } from '../rules.js'
import type { Setting } from '../setting.js'
import { copy, type Process, type StoredRecord, type World } from '../world.js'

/**
 * The kind of a move, which decides how the properties see it.
 *
 * - `step`: the protocol goes on, or time passes. Only such moves are relied on for P1 and P2.
 * - `outside`: something that may happen or not, and that is no fault: late requests and writes, connections and disconnections.
 * - `fault`: something goes wrong.
 * - `crash`: a process ends, and what it held with it.
 */
export type Kind = 'step' | 'outside' | 'fault' | 'crash'

/** Called for each move that is possible. `label` says in a sentence what happens. */
export type Emit = (next: World, label: () => string, kind: Kind) => void

/** The moves that are possible in one world. */
export class Moves {
  constructor (readonly world: World, readonly setting: Setting, readonly rules: Rules, readonly emit: Emit) {}

  /** Goes on. */
  step (label: () => string, change: (next: World) => void): void {
    this.#move(label, 'step', 0, change)
  }

  /** Something that nobody relies on, and that costs no fault. */
  outside (label: () => string, change: (next: World) => void): void {
    this.#move(label, 'outside', 0, change)
  }

  /** A merchant connects or leaves: counted with the faults, so that a small world stays small. */
  visit (label: () => string, change: (next: World) => void): void {
    this.#move(label, 'outside', 1, change)
  }

  fault (label: () => string, change: (next: World) => void): void {
    this.#move(label, 'fault', 1, change)
  }

  crash (label: () => string, change: (next: World) => void): void {
    this.#move(label, 'crash', 1, change)
  }

  #move (label: () => string, kind: Kind, cost: 0 | 1, change: (next: World) => void): void {
    const isCounted = cost === 1 && this.setting.faultsAtMost !== Infinity
    if (isCounted && this.world.faultsLeft === 0) return
    const next = copy(this.world)
    if (isCounted) next.faultsLeft--
    change(next)
    this.emit(next, label, kind)
  }
}

export function processOf (world: World, p: number): Process {
  return world.processes[p] as Process
}

export const nameOf = (p: number): string => 'ABCDEF'[p] as string

/** Writes a record, or takes it away: every remembered revision is outdated then. */
export function store (world: World, record: StoredRecord | undefined): void {
  if (record?.token !== world.record?.token) world.isKilled = false
  world.record = record
  for (const process of world.processes) {
    if (process.revision === 'stored') process.revision = 'outdated'
    if (process.callback.revision === 'stored') process.callback.revision = 'outdated'
  }
  if (world.lateWrite?.over === 'stored') world.lateWrite = undefined
}

/** Whether a write over a remembered revision finds it stored. */
export function isCurrent ({ record }: World, revision: 'none' | 'stored' | 'outdated'): boolean {
  return record === undefined ? revision === 'none' : revision === 'stored'
}
