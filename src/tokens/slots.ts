import fastq from 'fastq'

/**
 * @internal The calls to Clover that a process has open at once, at most `count`: first come, first served. A merchant never has more than
 * one refresh in line, so that no merchant holds up the others.
 */
export class Slots {
  readonly #calls: Line
  readonly #near: Line

  constructor (count: number) {
    this.#calls = line(count)
    this.#near = line(count)
  }

  /** Runs a task once there is room; resolves or rejects as the task does. */
  async run<T> (task: () => Promise<T>): Promise<T> {
    let result: T | undefined
    await this.#calls.push(async () => { result = await task() })
    return result as T
  }

  /**
   * Runs a task once it is near the head of the line, in which it goes on to stand with `run()`: what it reads before is not old then. The
   * task says when it leaves this first line, or leaves it by its end.
   *
   * Nothing that runs in a slot may wait for this.
   */
  near<T> (task: (leave: () => void) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const start = async (leave: () => void) => task(leave) // also one that throws at once leaves the line
      const run = (leave: () => void) => { start(leave).then(resolve, reject).finally(leave) }
      this.#near.push(() => new Promise(run))
    })
  }
}

type Line = fastq.queueAsPromised<() => Promise<void>>

function line (count: number): Line {
  return fastq.promise(async (task: () => Promise<void>) => { await task() }, count)
}
