import { finished } from 'node:stream'
import type { FastifyReply } from 'fastify'

const longestTimer = 2 ** 31 - 1

/** The waits of latency faults. All end when the simulator closes. */
export class Pauses {
  readonly #waiting = new Set<() => void>()

  /**
   * Waits, even if the client disconnects: Clover may handle a call late. Beyond the longest timer of Node (24 days), as with `Infinity`, it waits until
   * the client disconnects.
   *
   * @param ms milliseconds
   * @returns whether the call goes on
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

  /** Ends all waits; the calls that waited are not handled. */
  close (): void {
    for (const giveUp of this.#waiting) giveUp()
  }
}
