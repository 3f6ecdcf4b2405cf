import type { FastifyRequest } from 'fastify'
import { LruMap } from 'toad-cache'
import type { Mint } from './random.js'

/** The log-ins of browsers, each by a session cookie. */
export class Sessions {
  readonly #mint: Mint
  readonly #people = new LruMap<string>(1000)

  constructor (mint: Mint) {
    this.#mint = mint
  }

  /** The name of the person who is logged in; undefined if nobody is. */
  person (request: FastifyRequest): string | undefined {
    const pairs = (request.headers.cookie ?? '').split(/; */).map(pair => pair.split('='))
    const id = pairs.find(([name]) => name === cookieName(request))?.[1]
    return id === undefined ? undefined : this.#people.get(id)
  }

  /** Logs a person in, and returns the Set-Cookie header. */
  open (request: FastifyRequest, person: string): string {
    const id = this.#mint.session()
    this.#people.set(id, person)
    return `${cookieName(request)}=${id}; Path=/; HttpOnly; SameSite=Lax`
  }

  /** The Set-Cookie header that logs out. */
  close (request: FastifyRequest): string {
    return `${cookieName(request)}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0`
  }

  clear (): void {
    this.#people.clear()
  }
}

// Browsers share the cookies of localhost among all ports: with one name, two simulators would log each other out.
function cookieName (request: FastifyRequest): string {
  return `clover_simulator_${request.port}`
}
