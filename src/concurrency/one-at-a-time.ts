/** @internal The limit of a queue of one key. */
export interface OneAtATimeOptions {
  /** The most tasks of one key that wait or run. */
  most: number
  /** Makes the error of a task that is refused, since `most` tasks of its key wait or run. */
  tooMany: (key: string) => unknown
}

/** @internal Runs tasks of the same key one after another, in the order in which they came. Tasks of different keys run at once. */
export class OneAtATime {
  readonly #options: OneAtATimeOptions | undefined
  readonly #queues = new Map<string, { last: Promise<unknown>, length: number }>()

  /** @param options without them any number of tasks waits */
  constructor (options?: OneAtATimeOptions) {
    this.#options = options
  }

  /** Resolves or rejects as the task does; rejects with `tooMany()`, and does not run the task, if too many wait already. */
  async run<T> (key: string, task: () => Promise<T>): Promise<T> {
    const queue = this.#queues.get(key) ?? { last: Promise.resolve(), length: 0 }
    if (this.#options !== undefined && queue.length >= this.#options.most) throw this.#options.tooMany(key)
    this.#queues.set(key, queue)
    queue.length++
    const run = queue.last.then(task)
    queue.last = run.catch(() => {}) // the next task runs even if this one fails
    try {
      return await run
    } finally {
      queue.length--
      if (queue.length === 0) this.#queues.delete(key)
    }
  }
}
