import { finished } from 'node:stream'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { isPage, type Calls, type CallSubject, type Endpoint, type OpenCall } from './calls.js'
import type { Faults } from './faults.js'
import type { Limits } from './limits.js'
import { rawBody, refusal, spoiled, statusOf, tooMany, type Outcome } from './outcome.js'
import type { Pauses } from './pauses.js'
import type { Unknowns } from './unknowns.js'

/** The User-Agents that Node's `fetch` and undici send by default. */
const userAgentsOfNode: ReadonlyArray<string | undefined> = [undefined, '', 'node', 'undici']

/** The parts that a call handler uses. */
export interface CallHandlerParts {
  calls: Calls
  faults: Faults
  limits: Limits
  pauses: Pauses
  /** Milliseconds that a call takes. */
  latency: (endpoint: Endpoint) => number
  /** The value of the Date header. */
  date: () => string
  /** The status for a call to the API or to the token endpoints without an app's User-Agent; `false`: the call is served. */
  missingUserAgent: Unknowns['missingUserAgent']
}

/** Serves every call in the same steps: records it, applies limits and faults, handles it, and answers. */
export class CallHandler {
  readonly #parts: CallHandlerParts
  readonly #begun = new WeakMap<object, OpenCall>()

  constructor (parts: CallHandlerParts) {
    this.#parts = parts
  }

  /**
   * Serves a call.
   *
   * @param act handles the call as Clover does. Synchronous, so that nothing happens between checking a token and spending it
   */
  async serve (request: FastifyRequest, reply: FastifyReply, subject: CallSubject, act: () => Outcome): Promise<void> {
    await this.#answer(request, reply, subject, act)
  }

  /** A route's error handler: answers a call that failed before {@link serve}, such as a form instead of JSON. */
  refuse (endpoint: Endpoint, render: (status: number, message: string) => Outcome = refusal) {
    return (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void => {
      const status = statusOf(error)
      const open = this.#begun.get(request) ?? this.#begin(request, reply, { endpoint })
      if (status < 500) open.call.handled = status
      this.#send(reply, open, render(status, error.message))
    }
  }

  async #answer (request: FastifyRequest, reply: FastifyReply, subject: CallSubject, act: () => Outcome): Promise<FastifyReply> {
    const { faults, limits, pauses, latency } = this.#parts
    const open = this.#begin(request, reply, subject)
    const passage = limits.enter(subject)
    onceClosed(reply, () => passage.leave())
    if (passage.met !== undefined) return this.#send(reply, open, tooMany(passage.met))

    const { before, after, spoiler } = faults.take(subject)
    if (spoiler !== undefined) open.call.fault = spoiler.kind
    if (!await pauses.wait(before + latency(subject.endpoint), reply)) return this.#drop(reply, open)
    if (spoiler?.kind === 'drop-before') return this.#drop(reply, open)
    if (spoiler?.kind === 'status' && spoiler.when !== 'after') return this.#send(reply, open, spoiled(spoiler))

    const genuine = this.#refuseStranger(request, subject) ?? act()
    open.call.handled = genuine.status
    if (!await pauses.wait(after, reply)) return this.#drop(reply, open)
    if (spoiler === undefined) return this.#send(reply, open, genuine)
    if (spoiler.kind === 'drop-after') return this.#drop(reply, open)
    if (spoiler.kind === 'drop-during') return this.#breakOff(reply, open, genuine)
    return this.#send(reply, open, spoiled(spoiler, genuine))
  }

  /** Source: https://docs.clover.com/dev/docs/making-rest-api-calls */
  #refuseStranger ({ headers }: FastifyRequest, { endpoint }: CallSubject): Outcome | undefined {
    const { missingUserAgent } = this.#parts
    if (missingUserAgent === false || isPage(endpoint) || !userAgentsOfNode.includes(headers['user-agent'])) return undefined
    return refusal(missingUserAgent, 'The User-Agent header must name the app: <product>/<version> <comment>.')
  }

  #begin (request: FastifyRequest, reply: FastifyReply, subject: CallSubject): OpenCall {
    const open = this.#parts.calls.begin(subject, request.body ?? request.query)
    this.#begun.set(request, open)
    onceClosed(reply, () => open.leave())
    return open
  }

  #send (reply: FastifyReply, open: OpenCall, { status, headers = {}, body }: Outcome): FastifyReply {
    open.settle(status)
    return reply.code(status).headers(headers).send(body)
  }

  #drop (reply: FastifyReply, open: OpenCall): FastifyReply {
    open.settle(0)
    reply.hijack()
    reply.raw.destroy()
    return reply
  }

  #breakOff (reply: FastifyReply, open: OpenCall, { status, headers, body }: Outcome): FastifyReply {
    open.settle(0)
    reply.hijack()
    const bytes = Buffer.from(rawBody(body))
    reply.raw.writeHead(status, { 'content-type': 'application/json', date: this.#parts.date(), ...headers, 'content-length': bytes.length + 1 })
    reply.raw.write(bytes.subarray(0, bytes.length / 2), () => reply.raw.destroy())
    return reply
  }
}

function onceClosed (reply: FastifyReply, then: () => void): void {
  finished(reply.raw, () => then())
}
