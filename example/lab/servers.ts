import { fork, type ChildProcess } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import type { DiagnosticsEvent } from 'fastify-clover'
import type { FromServer, Start, ToServer } from './messages.js'

/** Milliseconds that a server has to close before it is killed. */
const closeTimeout = 600

/** A server process, and what takes its place when it dies. */
export interface Server {
  readonly name: string
  /** The id of the process that runs now. */
  pid: number | undefined
  /** Where it listens; undefined while it starts. */
  origin: string | undefined
  child: ChildProcess
}

interface Happenings {
  /** A message on a diagnostics channel of a server. */
  event: [server: Server, event: DiagnosticsEvent]
  /** A server listens. */
  ready: [server: Server]
  /** A process ended that was not asked to. */
  died: [server: Server, pid: number | undefined, signal: string | null]
  adopted: [server: Server, count: number]
  /** A process could not start: trying again would not help. */
  failed: [server: Server, reason: string]
}

/** The server processes: each is started again when it dies, until `stop`. */
export class Servers extends EventEmitter<Happenings> {
  readonly list: Server[]
  readonly #program: string
  readonly #start: Start
  #turn = 0
  #isStopping = false

  /** Starts `count` processes of a program. */
  constructor (count: number, program: string, start: Start) {
    super()
    this.setMaxListeners(0)
    this.#program = program
    this.#start = start
    this.list = Array.from({ length: count }, (_, i) => this.#spawn({ name: `Server ${i + 1}`, pid: undefined, origin: undefined }))
  }

  /** What the page shows of them. */
  get shown (): Array<{ name: string, pid: number | undefined, isReady: boolean }> {
    return this.list.map(({ name, pid, origin }) => ({ name, pid, isReady: origin !== undefined }))
  }

  /** Resolves when all listen; rejects if one cannot start. */
  async ready (): Promise<void> {
    const failed = new AbortController()
    this.once('failed', (server, reason) => failed.abort(new Error(`${server.name} could not start: ${reason}`)))
    while (this.list.some(({ origin }) => origin === undefined)) await once(this, 'ready', { signal: failed.signal }).catch(() => { throw failed.signal.reason })
  }

  /** The next server in turn that listens and is not among `tried`. */
  next (tried: ReadonlySet<string> = new Set()): (Server & { origin: string }) | undefined {
    for (let i = 0; i < this.list.length; i++) {
      const server = this.list[this.#turn++ % this.list.length]
      if (server?.origin !== undefined && !tried.has(server.origin)) return server as Server & { origin: string }
    }
    return undefined
  }

  /** As {@link next}, but waits for a server to start, for `ms` milliseconds at most. */
  async nextOrWait (tried: ReadonlySet<string>, ms: number): Promise<(Server & { origin: string }) | undefined> {
    const signal = AbortSignal.timeout(ms)
    for (;;) {
      const server = this.next(tried)
      if (server !== undefined || this.#isStopping) return server
      const isInTime = await once(this, 'ready', { signal }).then(() => true, () => false)
      if (!isInTime) return undefined
    }
  }

  send (server: Server, message: ToServer): void {
    if (server.child.connected) server.child.send(message)
  }

  /** Asks all to close, and kills those that have not after a moment. Resolves when all have ended. */
  async stop (): Promise<void> {
    this.#isStopping = true
    await Promise.all(this.list.map(async ({ child }) => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), closeTimeout)
      await ended
      clearTimeout(timer)
    }))
  }

  #spawn (server: Omit<Server, 'child'> & { child?: ChildProcess }): Server {
    const child = fork(this.#program, { execArgv: ['--disable-warning=ExperimentalWarning'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const started = Object.assign(server, { child, pid: child.pid, origin: undefined })
    child.on('message', (message: FromServer) => this.#hear(started, message))
    child.on('error', () => {}) // a message to a process that has just ended
    child.on('exit', (code, signal) => {
      if (this.#isStopping) return
      const { pid } = started
      const wasReady = started.origin !== undefined
      started.origin = undefined
      // One that ends by itself before it listens would do so again and again.
      if (!wasReady && signal === null) return this.emit('failed', started, `it ended with ${code}`)
      this.#spawn(started)
      this.emit('died', started, pid, signal)
    })
    return started
  }

  #hear (server: Server, message: FromServer): void {
    if (message.type === 'loaded') this.send(server, { type: 'start', start: this.#start })
    if (message.type === 'event') this.emit('event', server, message.event)
    if (message.type === 'adopted') this.emit('adopted', server, message.count)
    if (message.type === 'failed') this.emit('failed', server, message.reason)
    if (message.type === 'ready') {
      server.origin = message.origin
      this.emit('ready', server)
    }
  }
}
