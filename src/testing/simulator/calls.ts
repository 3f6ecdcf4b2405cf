import { SimulatorMisuse } from './errors.js'

/** The kinds of calls, for counters and faults. */
export const endpoints = [
  'authorize', 'token', 'refresh', 'recovery', 'migrate', 'legacyAuthorize', 'legacyToken', 'merchant', 'rest', 'pakms'
] as const
/** A kind of call: a token endpoint, the REST API, or a page. */
export type Endpoint = typeof endpoints[number]

const tokenEndpoints: ReadonlySet<Endpoint> = new Set(['token', 'refresh', 'recovery', 'migrate', 'legacyToken'])

/** Whether an endpoint issues tokens or codes to a server: its calls count as open calls. */
export function isTokenEndpoint (endpoint: Endpoint): boolean {
  return tokenEndpoints.has(endpoint)
}

/** Whether an endpoint is a page, which a browser visits. */
export function isPage (endpoint: Endpoint): boolean {
  return endpoint === 'authorize' || endpoint === 'legacyAuthorize'
}

/** The app, merchant and credential of a call, as far as they are known before it is handled. */
export interface CallSubject {
  readonly endpoint: Endpoint
  readonly appId?: string | undefined
  readonly merchantId?: string | undefined
  /** The code or token that the call presents. */
  readonly presented?: string | undefined
}

/** One call that reached the simulator. */
export interface Call extends CallSubject {
  /** Unix milliseconds by the simulator's clock. */
  readonly at: number
  /** The names of the fields in the body or in the query. */
  readonly fields: readonly string[]
  /** The status that was sent; 0: the connection was destroyed instead; undefined: still open. */
  status?: number
  /** The status that Clover decided on, which a fault may keep from the client; undefined if a fault or a limit prevented the handling. */
  handled?: number
  /** The kind of the fault that spoiled the call. */
  fault?: string
}

/** A call that is being served. */
export interface OpenCall {
  readonly call: Call
  /** Records the status that is sent; 0: a destroyed connection. To be called once, before the answer is sent. */
  settle (status: number): void
  /** Records that the connection is free again. To be called once. */
  leave (): void
}

/** Which calls to count. */
export interface CallFilter {
  /** Only calls about this merchant. Default: all. */
  merchantId?: string
  /**
   * `true`: calls that Clover granted, whether or not the answer arrived. `false`: calls that were refused, limited, or hit by a fault before they were
   * handled. Open calls are in neither. Default: all calls.
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
   * @param kept the most calls in the list
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

  /** The number of open calls to the token endpoints. */
  get open (): number {
    return this.#open
  }

  /** The most calls to the token endpoints that were open at once. */
  get maxOpen (): number {
    return this.#maxOpen
  }

  /** Records a call that has arrived. */
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

  /** The number of calls to an endpoint. */
  count (endpoint: Endpoint, { merchantId, ok }: CallFilter = {}): number {
    checkEndpoint('count', endpoint)
    const tally = this.#tallies.get(key(endpoint, merchantId))
    return tally?.[ok === undefined ? 'total' : ok ? 'granted' : 'refused'] ?? 0
  }

  /** The number of open calls to an endpoint, and the most that were open at once. */
  atOnce (endpoint: Endpoint, merchantId?: string): { open: number, most: number } {
    checkEndpoint('atOnce', endpoint)
    const { open = 0, maxOpen = 0 } = this.#tallies.get(key(endpoint, merchantId)) ?? {}
    return { open, most: maxOpen }
  }

  /** Clears the list and the counters. Open calls stay open and are not counted any more. */
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

/** Refuses a misspelt name: its count would be 0, so a test that expects no calls would pass. */
function checkEndpoint (method: string, endpoint: Endpoint): void {
  if (!endpoints.includes(endpoint)) throw new SimulatorMisuse(`${method}: Expected one of ${endpoints.join(', ')}.`)
}
