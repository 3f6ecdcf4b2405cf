import fastq from 'fastq'

/**
 * @internal Limits how many calls to Clover a process has open at once: `count`, first come, first served. A merchant has at most one refresh
 * in the queue, so no merchant holds up the others.
 */
export class CallSlots {
  readonly #calls: Queue
  readonly #admitted: Queue

  constructor (count: number) {
    this.#calls = queue(count)
    this.#admitted = queue(count)
  }

  /** Runs a task once a slot is free; resolves or rejects as the task does. */
  async run<T> (task: () => Promise<T>): Promise<T> {
    let result: T | undefined
    await this.#calls.push(async () => { result = await task() })
    return result as T
  }

  /**
   * Admits a task shortly before a slot is free, so that what it reads is still current when its `run()` starts. At most `count` tasks are
   * admitted at once; each calls `leave` when it no longer waits for its slot, which admits the next; otherwise the next is admitted when it settles.
   *
   * A task that holds a slot must not call this: it could wait for itself.
   */
  admit<T> (task: (leave: () => void) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const start = async (leave: () => void) => task(leave) // async, so that a task that throws synchronously leaves too
      const run = (leave: () => void) => { start(leave).then(resolve, reject).finally(leave) }
      this.#admitted.push(() => new Promise(run))
    })
  }
}

type Queue = fastq.queueAsPromised<() => Promise<void>>

function queue (count: number): Queue {
  return fastq.promise(async (task: () => Promise<void>) => { await task() }, count)
}
