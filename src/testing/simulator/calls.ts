/** The parts of Clover that calls are counted by and faults are set on. */
export const endpoints = [
  'authorize', 'token', 'refresh', 'recovery', 'migrate', 'legacyAuthorize', 'legacyToken', 'merchant', 'rest', 'pakms'
] as const
export type Endpoint = typeof endpoints[number]

const tokenEndpoints: ReadonlySet<Endpoint> = new Set(['token', 'refresh', 'recovery', 'migrate', 'legacyToken'])

/** Whether calls to an endpoint count as open calls: those that issue tokens or codes to a server. */
export function isTokenEndpoint (endpoint: Endpoint): boolean {
  return tokenEndpoints.has(endpoint)
}

/** Whether an endpoint is a page, which a browser visits. */
export function isPage (endpoint: Endpoint): boolean {
  return endpoint === 'authorize' || endpoint === 'legacyAuthorize'
}

/** Whom a call is about, as far as it can be told before it is handled. */
export interface CallSubject {
  readonly endpoint: Endpoint
  readonly appId?: string | undefined
  readonly merchantId?: string | undefined
  /** The code or token that the call presents. */
  readonly presented?: string | undefined
}

/** One call that reached the simulator. */
export interface Call extends CallSubject {
  /** Milliseconds, by the simulator's clock. */
  readonly at: number
  /** The names of the fields in the body or in the query: to see what was sent, and what was not. */
  readonly fields: readonly string[]
  /** The status that was sent; 0: the connection was destroyed instead; undefined: still open. */
  status?: number
  /** The status that Clover itself decided on; undefined if a fault or a limit came before. With `drop-after` nobody learns of it. */
  handled?: number
  /** The kind of the fault that spoiled the call. */
  fault?: string
}

/** A call that is being served. */
export interface OpenCall {
  readonly call: Call
  /** Notes what is sent: 0 for a destroyed connection. Said once, before the answer leaves. */
  settle (status: number): void
  /** Notes that the connection is free again. Said once. */
  leave (): void
}

/** Which calls to count. */
export interface CallFilter {
  merchantId?: string
  /**
   * `true`: those that Clover granted, whether or not the answer arrived. `false`: those that it did not grant: refused, limited, or
   * spoiled by a fault before they were handled. Calls still open are in neither.
   */
  ok?: boolean
}

interface Tally {
  total: number
  granted: number
  refused: number
  open: number
  maxOpen: number
}

const fieldsKept = 32

/** The list of calls, which is bounded, and their counters, which are exact. */
export class Calls {
  readonly #kept: number
  readonly #now: () => number
  #list: Call[] = []
  readonly #tallies = new Map<string, Tally>()
  #open = 0
  #maxOpen = 0

  /**
   * @param kept how many calls the list keeps
   * @param now the time in milliseconds
   */
  constructor (kept: number, now: () => number) {
    this.#kept = kept
    this.#now = now
  }

  /** The latest calls, oldest first. */
  get list (): readonly Call[] {
    return [...this.#list]
  }

  /** How many calls to the token endpoints are open now. */
  get open (): number {
    return this.#open
  }

  /** How many were ever open at once. */
  get maxOpen (): number {
    return this.#maxOpen
  }

  /** Notes a call that has arrived. */
  begin (subject: CallSubject, fields: unknown): OpenCall {
    const call: Call = { at: this.#now(), ...subject, fields: Object.keys(Object(fields)).slice(0, fieldsKept) }
    this.#list.push(call)
    if (this.#list.length > this.#kept) this.#list.shift()
    const tallies = this.#talliesOf(call)
    for (const tally of tallies) {
      tally.total++
      tally.maxOpen = Math.max(tally.maxOpen, ++tally.open)
    }
    const counts = isTokenEndpoint(call.endpoint)
    if (counts) this.#maxOpen = Math.max(this.#maxOpen, ++this.#open)
    return {
      call,
      settle: status => {
        call.status = status
        const granted = call.handled !== undefined && call.handled < 400
        for (const tally of tallies) tally[granted ? 'granted' : 'refused']++
      },
      leave: () => {
        for (const tally of tallies) tally.open--
        if (counts) this.#open--
      }
    }
  }

  /** How many calls an endpoint has had. */
  count (endpoint: Endpoint, { merchantId, ok }: CallFilter = {}): number {
    const tally = this.#tallies.get(key(endpoint, merchantId))
    return tally?.[ok === undefined ? 'total' : ok ? 'granted' : 'refused'] ?? 0
  }

  /** How many calls to an endpoint are open now, and how many were at once at most. */
  atOnce (endpoint: Endpoint, merchantId?: string): { open: number, most: number } {
    const { open = 0, maxOpen = 0 } = this.#tallies.get(key(endpoint, merchantId)) ?? {}
    return { open, most: maxOpen }
  }

  /** Forgets the list and the counters; calls still open stay open, and count no more. */
  clear (): void {
    this.#list = []
    this.#tallies.clear()
    this.#maxOpen = this.#open
  }

  #talliesOf ({ endpoint, merchantId }: Call): Tally[] {
    const keys = merchantId === undefined ? [key(endpoint)] : [key(endpoint), key(endpoint, merchantId)]
    return keys.map(key => {
      const tally = this.#tallies.get(key) ?? { total: 0, granted: 0, refused: 0, open: 0, maxOpen: 0 }
      this.#tallies.set(key, tally)
      return tally
    })
  }
}

const key = (endpoint: Endpoint, merchantId = '') => `${endpoint} ${merchantId}`
