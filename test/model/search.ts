import { Encoding } from './encoding.js'
import { eachMove } from './moves/index.js'
import type { Kind } from './moves/move.js'
import { isAttended, isWell, properties, violatedBy, violatedIn, type Property } from './properties.js'
import { reverse } from './reachability.js'
import type { Rules } from './rules.js'
import type { Setting } from './setting.js'
import { StateSet } from './state-set.js'
import { retrace } from './trace.js'
import { start, type World } from './world.js'

export interface Search {
  states: number
  /** Whether every state was gone through. */
  isComplete: boolean
  seconds: number
  /** The properties that do not hold, in their order, each with a shortest history that shows it: a line for each move. */
  violations: Map<Property, string[]>
}

/** The first violation of a property: the state, and whether a move from it violates the property. */
interface Finding {
  state: number
  isMove: boolean
  /** Of P7: somebody is at work who may yet help. A finding without says more. */
  isAttended?: boolean
}

/**
 * Goes through every state that can be reached, the nearest first, and checks all properties.
 *
 * @param most states; beyond them nothing is gone through, and P1 and P2 take it that all is well there
 */
export function search (setting: Setting, rules: Rules, most = Infinity): Search {
  const began = performance.now()
  const encoding = new Encoding(setting.processes)
  const states = new StateSet(encoding.size)
  const parents = new Numbers()
  const [from, to] = [new Numbers(), new Numbers()]
  const well: boolean[] = []
  const killed: boolean[] = []
  const found = new Map<Property, Finding>()
  const note = (property: Property, finding: Finding) => {
    const before = found.get(property)
    if (before === undefined || (before.isAttended && !finding.isAttended)) found.set(property, finding)
  }

  states.add(encoding.write(start(setting)))
  parents.push(-1)
  let state = 0
  for (; state < states.size && states.size <= most; state++) {
    const world = encoding.read(states.at(state))
    well.push(isWell(world))
    killed.push(world.isKilled)
    for (const property of violatedIn(world, setting)) note(property, { state, isMove: false, ...(property === 'P7' && { isAttended: isAttended(world) }) })
    eachMove(world, setting, rules, (next: World, _label: () => string, kind: Kind) => {
      for (const property of violatedBy(world, next, kind, setting)) note(property, { state, isMove: true })
      const known = states.size
      const number = states.add(encoding.write(next))
      if (number === known) parents.push(state)
      if (kind === 'step' && number !== state) {
        from.push(state)
        to.push(number)
      }
    })
  }

  const isComplete = state === states.size
  // A state that was not gone through counts as well.
  const reached = reverse(states.size, from.values(), to.values(), number => well[number] ?? true)
  for (let number = 0; number < well.length; number++) {
    if (!reached[number]) note(killed[number] ? 'P2' : 'P1', { state: number, isMove: false })
  }
  const violations = new Map<Property, string[]>()
  for (const [property, { state, isMove, isAttended }] of [...found].sort(([a], [b]) => a < b ? -1 : 1)) {
    const path: Uint8Array[] = []
    for (let number = state; number > 0; number = parents.at(number)) path.unshift(states.at(number))
    const trace = retrace(setting, rules, encoding, path, isMove ? property : undefined)
    violations.set(property, [...trace, `Not so: ${properties[property]} (${property})${isAttended === false ? '. Nobody is at work on it' : ''}`])
  }
  return { states: states.size, isComplete, seconds: (performance.now() - began) / 1000, violations }
}

/** A growing array of whole numbers. */
class Numbers {
  #values = new Int32Array(1 << 12)
  #length = 0

  push (value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Int32Array(this.#length * 2)
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[this.#length++] = value
  }

  at (index: number): number {
    return this.#values[index] as number
  }

  values (): Int32Array {
    return this.#values.subarray(0, this.#length)
  }
}
