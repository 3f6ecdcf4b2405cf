import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { UsageError, messageOf } from '../usage-error.js'
import { lastPage, pageHeaders, strangePage, waitingPage } from './pages.js'
import type { ProbeTiming } from './timing.js'

/** @internal What came back from Clover: the parameters of the callback, or that a person opened the probe's address again instead. */
export interface Arrival {
  hasReturned: boolean
  query: Readonly<Record<string, string>>
}

/** @internal A visit to Clover's authorize page. */
export interface Trip {
  url: string
  state: string
  /** Clover may refuse it with a page of its own: a person who opens the probe's address again says so. */
  mayFail?: boolean
  /** Clover may come back without any parameter. */
  mayBeBare?: boolean
}

interface Pending extends Trip {
  /** The browser went there. */
  hasLeft: boolean
  arrive (arrival: Arrival): void
}

type Query = Record<string, unknown>

/**
 * @internal The server to which a person's browser is tied: it waits at `/next` until the probe sends it to Clover, comes back to `/callback`, and waits
 * again. So the probe gets as many codes as it wants from one approval.
 */
export class ProbeServer {
  readonly #app: FastifyInstance
  readonly #timing: ProbeTiming
  readonly #baseUrl: string | undefined
  readonly #waiting = new Set<(answer: (reply: FastifyReply) => void) => void>()
  #port = ''
  #pending: Pending | undefined
  /** The states of all trips so far. */
  readonly #states = new Set<string>()
  #last: string | undefined
  /** Aborted once a browser has the last page. */
  readonly #goodbye = new AbortController()
  /** Whether Clover echoes the state; undefined: it has not come back yet. */
  echoesState: boolean | undefined
  /** The names of the parameters with which Clover's dashboard opened the probe's address; undefined: it did not. */
  launch: readonly string[] | undefined

  constructor (timing: ProbeTiming, baseUrl?: string) {
    this.#timing = timing
    this.#baseUrl = baseUrl
    this.#app = fastify({ forceCloseConnections: true, exposeHeadRoutes: false })
    this.#app.get('/', (request, reply) => this.#open(request, reply))
    this.#app.get('/next', (request, reply) => this.#next(request, reply))
    this.#app.get('/callback', (request, reply) => this.#callback(request, reply))
    this.#app.setNotFoundHandler((_request, reply) => send(reply, strangePage, 404))
  }

  /** @throws UsageError if the port is taken */
  async listen (port: number): Promise<void> {
    try {
      this.#port = new URL(await this.#app.listen({ port, host: 'localhost' })).port
    } catch (error) {
      throw new UsageError(`port ${port} cannot be used, choose another with --port: ${messageOf(error)}`)
    }
  }

  /** `http://localhost:PORT`. */
  get local (): string {
    return `http://localhost:${this.#port}`
  }

  /** The address that a person opens. */
  get address (): string {
    return `${this.#baseUrl ?? this.local}/`
  }

  get redirectUri (): string {
    return `${this.address}callback`
  }

  /** Sends the browser to Clover, and resolves with what comes back. Only one trip at a time. Whoever no longer waits calls `cancel`. */
  async send (trip: Trip): Promise<Arrival> {
    return await new Promise(resolve => {
      const pending: Pending = {
        ...trip,
        hasLeft: false,
        arrive: arrival => {
          this.#pending = undefined
          resolve(arrival)
        }
      }
      this.#pending = pending
      this.#states.add(trip.state)
      // With two tabs, the one that came last goes.
      const last = [...this.#waiting].at(-1)
      for (const release of this.#waiting) release(reply => release === last ? leave(reply, pending) : send(reply, waitingPage))
    })
  }

  cancel (): void {
    this.#pending = undefined
  }

  /** Shows the last page to the browser, if it comes for it, and closes the server. */
  async finish (text: string): Promise<void> {
    const page = lastPage(text)
    this.#last = page
    for (const release of this.#waiting) release(reply => this.#sayGoodbye(reply, page))
    await this.#timing.sleep(this.#timing.farewell, this.#goodbye.signal)
    await this.#app.close()
  }

  #open ({ query }: FastifyRequest, reply: FastifyReply): FastifyReply {
    const names = Object.keys(query as Query)
    if (names.includes('merchant_id') || names.includes('merchantId')) this.launch ??= names
    if (this.#pending?.mayFail === true && this.#pending.hasLeft) this.#pending.arrive({ hasReturned: true, query: {} })
    return this.#pending === undefined ? this.#rest(reply) : leave(reply, this.#pending)
  }

  #next (_request: FastifyRequest, reply: FastifyReply): FastifyReply | Promise<FastifyReply> {
    if (this.#last !== undefined) return this.#sayGoodbye(reply, this.#last)
    if (this.#pending?.hasLeft === false) return leave(reply, this.#pending)
    return new Promise(resolve => {
      const end = new AbortController()
      const release = (answer: (reply: FastifyReply) => void) => {
        this.#waiting.delete(release)
        end.abort()
        answer(reply)
        resolve(reply)
      }
      this.#waiting.add(release)
      reply.raw.on('close', () => { this.#waiting.delete(release) })
      this.#timing.sleep(this.#timing.hold, end.signal, { ref: false }).then(() => {
        if (this.#waiting.has(release)) release(reply => send(reply, waitingPage))
      }, () => {})
    })
  }

  #callback (request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const query = request.query as Query
    const pending = this.#pending
    // A second tab, or a trip for which the probe no longer waits: its code is not used.
    const isOld = typeof query.state === 'string' && query.state !== pending?.state && this.#states.has(query.state)
    if (pending === undefined || isOld) return this.#rest(reply)
    if (!isFlat(query) || !this.#mayTake(query, pending)) return send(reply, strangePage, 400)
    if (query.state !== undefined) this.echoesState = true
    else if (query.code !== undefined || query.error !== undefined) this.echoesState = false
    pending.arrive({ hasReturned: false, query })
    return send(reply, waitingPage)
  }

  /** A callback without a state is taken only as long as Clover has not shown that it echoes the state, or for a denial. */
  #mayTake (query: Record<string, string>, { state, mayBeBare }: Pending): boolean {
    if (query.state !== undefined) return query.state === state
    return this.echoesState !== true || (mayBeBare === true && query.code === undefined)
  }

  #rest (reply: FastifyReply): FastifyReply {
    return this.#last === undefined ? send(reply, waitingPage) : this.#sayGoodbye(reply, this.#last)
  }

  #sayGoodbye (reply: FastifyReply, page: string): FastifyReply {
    reply.raw.on('finish', () => { this.#goodbye.abort() })
    return send(reply, page)
  }
}

function leave (reply: FastifyReply, pending: Pending): FastifyReply {
  pending.hasLeft = true
  return reply.headers({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' }).redirect(pending.url, 302)
}

function send (reply: FastifyReply, page: string, status = 200): FastifyReply {
  return reply.code(status).headers(pageHeaders).send(page)
}

/** Whether each parameter came once. */
function isFlat (query: Query): query is Record<string, string> {
  return Object.values(query).every(value => typeof value === 'string')
}
