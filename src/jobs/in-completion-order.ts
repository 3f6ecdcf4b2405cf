import { EventEmitter, once } from 'node:events'

/** @internal */
export interface Work<Item, Outcome> {
  source: Iterable<Item> | AsyncIterable<Item>
  /** Must not reject. `index`: the item's place in the source, from 0. */
  run: (item: Item, index: number) => Promise<Outcome>
  /** Items at work at once. */
  concurrency: number
  /** Ends the reading of the source: what is at work is finished. */
  signal: AbortSignal
  /** Called when nothing more is wanted, before what is at work is waited for. */
  onLeave?: () => void
}

/**
 * @internal Works on the items of a source, some at once, and yields what came of each as soon as it is known.
 *
 * The source is read no faster than the outcomes are taken: at most `concurrency` items are at work, and as many outcomes wait. Its
 * `return()` is called if it is not read to its end. An error of the source is thrown once everything else is finished. A consumer
 * who leaves early waits for what is at work.
 */
export async function * inCompletionOrder<Item, Outcome> ({ source, run, concurrency, signal, onLeave }: Work<Item, Outcome>): AsyncGenerator<Outcome, void, undefined> {
  const change = new EventEmitter()
  const changed = () => { change.emit('change') }
  const outcomes: Outcome[] = []
  let failure: { error: unknown } | undefined
  let atWork = 0
  let isReading = true
  let isLeft = false
  let isOver = false
  const isStopped = () => isLeft || signal.aborted
  const hasRoom = () => atWork < concurrency && atWork + outcomes.length < 2 * concurrency
  // A source that never answers is not waited for once it is of no use.
  const isDone = () => atWork === 0 && (isOver || (isReading && isStopped()))

  const start = async (item: Item, index: number) => {
    atWork++
    outcomes.push(await run(item, index))
    atWork--
    changed()
  }

  const read = async () => {
    let index = 0
    try {
      for await (const item of source) {
        isReading = false
        if (isStopped()) break
        start(item, index++)
        while (!hasRoom() && !isStopped()) await once(change, 'change')
        if (isStopped()) break
        isReading = true
      }
    } catch (error) {
      failure = { error }
    }
    isOver = true
    changed()
  }

  signal.addEventListener('abort', changed)
  try {
    read()
    while (outcomes.length > 0 || !isDone()) {
      if (outcomes.length === 0) {
        await once(change, 'change')
      } else {
        const [outcome] = outcomes.splice(0, 1)
        changed()
        yield outcome as Outcome
      }
    }
    if (failure) throw failure.error
  } finally {
    isLeft = true
    onLeave?.()
    changed()
    while (!isDone()) await once(change, 'change')
    signal.removeEventListener('abort', changed)
  }
}
