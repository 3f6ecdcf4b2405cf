import { EventEmitter, once } from 'node:events'

/** @internal The items to work on, and how. */
export interface Work<Item, Outcome> {
  source: Iterable<Item> | AsyncIterable<Item>
  /** Must not reject. `index`: the item's place in the source, from 0. */
  run: (item: Item, index: number) => Promise<Outcome>
  /** The most items in progress at once. */
  concurrency: number
  /** Ends the reading of the source; items in progress are finished. */
  signal: AbortSignal
  /** Called when the consumer leaves or the source has ended, before the wait for items in progress. */
  onLeave?: () => void
}

/**
 * @internal Processes the items of a source, several at once, and yields each outcome as soon as it is known.
 *
 * The source is read no faster than the outcomes are taken: at most `concurrency` items are in progress, and as many outcomes wait. Its
 * `return()` is called if it is not read to its end. An error of the source is thrown once everything else is finished. A consumer
 * who leaves early waits for the items in progress.
 */
export async function * inCompletionOrder<Item, Outcome> (
  { source, run, concurrency, signal, onLeave }: Work<Item, Outcome>
): AsyncGenerator<Outcome, void, undefined> {
  const change = new EventEmitter()
  const changed = () => { change.emit('change') }
  const outcomes: Outcome[] = []
  let failure: { error: unknown } | undefined
  let inProgress = 0
  let isReading = true
  let isLeft = false
  let isOver = false
  const isStopped = () => isLeft || signal.aborted
  const hasRoom = () => inProgress < concurrency && inProgress + outcomes.length < 2 * concurrency
  // After a stop, a source that never answers is not waited for.
  const isDone = () => inProgress === 0 && (isOver || (isReading && isStopped()))

  const start = async (item: Item, index: number) => {
    inProgress++
    outcomes.push(await run(item, index))
    inProgress--
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
