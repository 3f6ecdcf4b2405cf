import { endpoints, type CallSubject, type Endpoint } from './calls.js'
import { SimulatorMisuse } from './errors.js'

/** A body: text and bytes are sent unchanged, anything else as JSON. */
export type RawBody = string | Uint8Array | object

/** The kinds of faults. */
export type FaultKind =
  | {
    /** The call waits, even if the client disconnects. With `ms: Infinity` before the handling, it is never handled. */
    kind: 'latency'
    /** The wait in milliseconds; `Infinity`: until the client gives up. */
    ms: number
    /** Whether the call waits before Clover handles it, or between the handling and the answer. Default: `'before'`. */
    when?: 'before' | 'after'
  }
  | {
    /** The call gets this answer, and is not handled. */
    kind: 'status'
    /** The HTTP status of the answer. */
    status: number
    /** Headers of the answer. Default: none. */
    headers?: Record<string, string>
    /** The body: text and bytes unchanged, anything else as JSON. Default: `{ message }` with the name of the status. */
    body?: RawBody
    /** `'after'`: the call is handled first, so that a token is spent. Default: `'before'`. */
    when?: 'before' | 'after'
  }
  | {
    /** The connection is destroyed, and the call is not handled. */
    kind: 'drop-before'
  }
  | {
    /** The call is handled, then the connection is destroyed. */
    kind: 'drop-after'
  }
  | {
    /** The call is handled, and the connection is destroyed in the middle of the answer's body. */
    kind: 'drop-during'
  }
  | {
    /** The call is handled, and this answer is sent instead. */
    kind: 'reply'
    /** The body: text and bytes unchanged, anything else as JSON; a function gets the genuine body. */
    body: RawBody | ((genuine: unknown) => RawBody)
    /** The `content-type` of the answer. Default: `application/json`. */
    contentType?: string
    /** The HTTP status of the answer. Default: 200. */
    status?: number
    /** Headers of the answer. Default: none. */
    headers?: Record<string, string>
  }

/** The calls that a fault hits. */
export interface FaultTarget {
  /** The endpoint, or the endpoints, whose calls are hit. */
  on: Endpoint | readonly Endpoint[]
  /** The number of calls; `Infinity`: all. Default: 1. */
  times?: number
  /** Only calls about this merchant. Default: all. */
  merchantId?: string
  /** Only calls of this app. Default: all. */
  appId?: string
}

/** A fault to set: the calls that it hits, and its kind. */
export type Fault = FaultTarget & FaultKind

/** A fault that is set. */
export interface FaultHandle {
  /** The number of calls that it has hit. */
  readonly hits: number
  /** Removes the fault. It still applies to calls that it has already hit. */
  clear (): void
}

type Latency = Extract<FaultKind, { kind: 'latency' }>
/** A fault that decides the answer: at most one hits a call. Latencies add up. */
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

  /** Sets a fault. Throws a {@link SimulatorMisuse} for an invalid one. */
  set (fault: Fault): FaultHandle {
    checkFault(fault)
    const armed: Armed = { fault: { ...fault }, left: fault.times ?? 1, hits: 0 }
    this.#armed.add(armed)
    return {
      get hits () { return armed.hits },
      clear: () => { this.#armed.delete(armed) }
    }
  }

  /** The faults that hit a call: every latency, and of the others the one that was set first. */
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
