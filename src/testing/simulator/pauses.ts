import { finished } from 'node:stream'
import type { FastifyReply } from 'fastify'

const longestTimer = 2 ** 31 - 1

/** The waiting that latency makes, all of which ends when the simulator closes. */
export class Pauses {
  readonly #waiting = new Set<() => void>()

  /**
   * Waits, even if the client has gone: Clover handles late what it was sent. Past the longest timer of Node (24 days, or `Infinity`) it
   * waits for the client to go.
   *
   * @param ms milliseconds
   * @returns whether the call is to go on
   */
  async wait (ms: number, reply: FastifyReply): Promise<boolean> {
    if (ms <= 0) return true
    return await new Promise(resolve => {
      const end = (goOn: boolean) => {
        clearTimeout(timer)
        this.#waiting.delete(giveUp)
        resolve(goOn)
      }
      const giveUp = () => end(false)
      const timer = ms > longestTimer ? undefined : setTimeout(end, ms, true)
      if (timer === undefined) finished(reply.raw, giveUp)
      this.#waiting.add(giveUp)
    })
  }

  /** Ends all waiting: calls that wait are not handled any more. */
  close (): void {
    for (const giveUp of this.#waiting) giveUp()
  }
}
