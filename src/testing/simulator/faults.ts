import { endpoints, type CallSubject, type Endpoint } from './calls.js'
import { SimulatorMisuse } from './errors.js'

/** A body as it is sent: text and bytes as they are, anything else as JSON. */
export type RawBody = string | Uint8Array | object

/**
 * What goes wrong.
 *
 * - `latency`: the call waits `ms` milliseconds before Clover handles it (or, with `when: 'after'`, between that and the answer), even
 *   if the client has gone. `Infinity`: until the client gives up; Clover then does not handle it unless it already has.
 * - `status`: this answer, and nothing is handled; with `when: 'after'` the call is handled first (a token is spent).
 * - `drop-before`: the connection is destroyed and nothing is handled.
 * - `drop-after`: the call is handled, then the connection is destroyed.
 * - `drop-during`: the call is handled, and the connection is destroyed in the middle of the answer's body.
 * - `reply`: the call is handled, and this answer is sent instead; a function gets the genuine body. Status 200 and JSON unless said.
 */
export type FaultKind =
  | { kind: 'latency', ms: number, when?: 'before' | 'after' }
  | { kind: 'status', status: number, headers?: Record<string, string>, body?: RawBody, when?: 'before' | 'after' }
  | { kind: 'drop-before' }
  | { kind: 'drop-after' }
  | { kind: 'drop-during' }
  | {
    kind: 'reply', body: RawBody | ((genuine: unknown) => RawBody), contentType?: string, status?: number, headers?: Record<string, string>
  }

/** Which calls a fault hits. */
export interface FaultTarget {
  on: Endpoint | readonly Endpoint[]
  /** How many calls; default 1, `Infinity` for all of them. */
  times?: number
  /** Only calls about this merchant. */
  merchantId?: string
  /** Only calls of this app. */
  appId?: string
}

export type Fault = FaultTarget & FaultKind

/** A fault that is set. */
export interface FaultHandle {
  /** How many calls it has hit. */
  readonly hits: number
  /** Takes the fault away; calls that it has already hit go on as they were. */
  clear (): void
}

type Latency = Extract<FaultKind, { kind: 'latency' }>
/** A fault that decides the answer of a call: one of them hits a call, while latencies add up. */
export type Spoiler = Exclude<FaultKind, Latency>

/** The faults that hit one call. */
export interface Hit {
  /** Milliseconds before and after handling. */
  before: number
  after: number
  spoiler?: Spoiler
}

interface Armed {
  readonly fault: Fault
  left: number
  hits: number
}

const kinds = ['latency', 'status', 'drop-before', 'drop-after', 'drop-during', 'reply']

/** The faults that are set. */
export class Faults {
  readonly #armed = new Set<Armed>()

  /** Sets a fault. Throws a {@link SimulatorMisuse} for one that makes no sense. */
  set (fault: Fault): FaultHandle {
    checkFault(fault)
    const armed: Armed = { fault: { ...fault }, left: fault.times ?? 1, hits: 0 }
    this.#armed.add(armed)
    return {
      get hits () { return armed.hits },
      clear: () => { this.#armed.delete(armed) }
    }
  }

  /** Takes what hits a call: every latency, and of the others the one that was set first. */
  take (call: CallSubject): Hit {
    const hit: Hit = { before: 0, after: 0 }
    for (const armed of this.#armed) {
      const { fault } = armed
      if (!applies(fault, call)) continue
      if (fault.kind === 'latency') hit[fault.when ?? 'before'] += fault.ms
      else if (hit.spoiler === undefined) hit.spoiler = fault
      else continue
      armed.hits++
      if (--armed.left <= 0) this.#armed.delete(armed)
    }
    return hit
  }

  clear (): void {
    this.#armed.clear()
  }
}

function applies ({ on, merchantId, appId }: FaultTarget, call: CallSubject): boolean {
  return [on].flat().includes(call.endpoint) &&
    (merchantId === undefined || merchantId === call.merchantId) &&
    (appId === undefined || appId === call.appId)
}

function checkFault (fault: Fault): void {
  const refuse = (sentence: string) => { throw new SimulatorMisuse(sentence) }
  const on = [fault.on].flat()
  if (on.length === 0 || !on.every(name => endpoints.includes(name))) refuse(`fault.on: Expected one or more of ${endpoints.join(', ')}.`)
  if (!kinds.includes(fault.kind)) refuse(`fault.kind: Expected one of ${kinds.join(', ')}.`)
  if (fault.times !== undefined && !(fault.times === Infinity || (Number.isInteger(fault.times) && fault.times > 0))) {
    refuse('fault.times: Expected a positive integer or Infinity.')
  }
  if (fault.kind === 'latency' && !(fault.ms >= 0)) refuse('fault.ms: Expected milliseconds.')
  if ('when' in fault && fault.when !== undefined && !['before', 'after'].includes(fault.when)) refuse('fault.when: Expected before or after.')
  const status = fault.kind === 'status' || (fault.kind === 'reply' && fault.status !== undefined) ? fault.status : 200
  if (!(Number.isInteger(status) && Number(status) >= 200 && Number(status) <= 599)) {
    refuse('fault.status: Expected an HTTP status from 200 to 599.')
  }
  if (fault.kind === 'reply' && fault.body === undefined) refuse('fault.body: Expected a body.')
}
