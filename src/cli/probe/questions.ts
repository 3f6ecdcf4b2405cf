import { once } from 'node:events'
import type { Io } from '../io.js'

/** @internal Asks a person on the terminal: the question on stderr, the answer a line of stdin. */
export class Questions {
  readonly #io: Io
  #lines: AsyncIterator<Uint8Array | string> | undefined
  #text = ''

  constructor (io: Io) {
    this.#io = io
  }

  /** Resolves with whether the answer is yes. The end of stdin, or a stop, is a no. */
  async ask (question: string, signal: AbortSignal): Promise<boolean> {
    this.#io.stderr.write(`${question} [y/N] `)
    const answered = new AbortController()
    const stopped = once(signal, 'abort', { signal: answered.signal }).then(() => undefined)
    stopped.catch(() => {})
    const line = await Promise.race([this.#line(), stopped])
    answered.abort()
    if (line === undefined) this.#io.stderr.write('\n')
    return /^\s*y(?:es)?\s*$/i.test(line ?? '')
  }

  /** The next line; undefined at the end. */
  async #line (): Promise<string | undefined> {
    this.#lines ??= this.#io.stdin[Symbol.asyncIterator]()
    while (!this.#text.includes('\n')) {
      const { done, value } = await this.#lines.next()
      if (done === true) return undefined
      this.#text += typeof value === 'string' ? value : Buffer.from(value).toString('utf8')
    }
    const [line = '', ...rest] = this.#text.split('\n')
    this.#text = rest.join('\n')
    return line
  }
}
