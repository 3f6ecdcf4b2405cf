import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Test } from 'tap'

/**
 * What a proxy does to its connections.
 *
 * - `pass`: nothing.
 * - `refuse`: those there are end, and new ones are refused.
 * - `reset`: those there are, and new ones once they are made, are reset.
 * - `blackhole`: nothing comes through in either way, until `pass` lets it through late.
 * - `mute`: what the client says comes through, the answers do not, until `pass` lets them through late.
 */
export type Manner = 'pass' | 'refuse' | 'reset' | 'blackhole' | 'mute'

interface Pair {
  client: Socket
  server: Socket
}

/** A way to a server on this machine that a test can cut. */
export class Proxy {
  readonly #target: number
  readonly #pairs = new Set<Pair>()
  #server: Server
  #port = 0
  #manner: Manner = 'pass'

  /** @param target the server's port */
  constructor (target: number) {
    this.#target = target
    this.#server = this.#makeServer()
  }

  get port (): number {
    return this.#port
  }

  /** Begins to listen, on a free port that stays this proxy's. */
  async start (t: Test): Promise<this> {
    await this.#listen()
    t.teardown(() => this.#close())
    return this
  }

  /** Changes what is done to connections from now on. */
  async set (manner: Manner): Promise<void> {
    const before = this.#manner
    this.#manner = manner
    if (before === 'refuse' && manner !== 'refuse') await this.#listen()
    if (manner === 'refuse') await this.#close()
    for (const pair of this.#pairs) this.#treat(pair)
  }

  #makeServer (): Server {
    return createServer(client => {
      const pair = { client, server: connect(this.#target, '127.0.0.1') }
      this.#pairs.add(pair)
      for (const [from, to] of [[pair.client, pair.server], [pair.server, pair.client]] as const) {
        from.on('data', chunk => { to.write(chunk) })
        from.on('error', () => {})
        from.on('close', () => {
          to.destroy()
          this.#pairs.delete(pair)
        })
      }
      this.#treat(pair)
    })
  }

  #treat ({ client, server }: Pair): void {
    if (this.#manner === 'refuse') client.destroy()
    if (this.#manner === 'reset') client.resetAndDestroy()
    if (this.#manner === 'blackhole') client.pause()
    else client.resume()
    if (this.#manner === 'blackhole' || this.#manner === 'mute') server.pause()
    else server.resume()
  }

  async #listen (): Promise<void> {
    this.#server = this.#makeServer().listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    const address = this.#server.address()
    if (typeof address === 'object' && address !== null) this.#port = address.port
  }

  async #close (): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const { client, server } of this.#pairs) {
      client.destroy()
      server.destroy()
    }
    await closed
  }
}
