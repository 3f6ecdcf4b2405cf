import fastq from 'fastq'

/**
 * @internal The calls to Clover that a process has open at once, at most `count`: first come, first served. A merchant never has more than
 * one refresh in line, so that no merchant holds up the others.
 */
export class Slots {
  readonly #queue: fastq.queueAsPromised<() => Promise<void>>

  constructor (count: number) {
    this.#queue = fastq.promise(async (task: () => Promise<void>) => { await task() }, count)
  }

  /** Runs a task once there is room; resolves or rejects as the task does. */
  async run<T> (task: () => Promise<T>): Promise<T> {
    let result: T | undefined
    await this.#queue.push(async () => { result = await task() })
    return result as T
  }
}
