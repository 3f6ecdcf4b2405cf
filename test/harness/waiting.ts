import { setTimeout } from 'node:timers/promises'

type Condition = () => boolean | Promise<boolean>

/**
 * Waits in real time until a condition is true, for half a minute at most: for sockets, processes and logs, which know no other clock. Its name, where
 * one is given, is in the error.
 */
export async function until (...[first, second]: [name: string, condition: Condition] | [condition: Condition]): Promise<void> {
  const condition = second ?? first as Condition
  const end = performance.now() + 30_000
  while (!await condition()) {
    if (performance.now() > end) throw new Error(`it did not happen: ${String(first)}`)
    await setTimeout(5)
  }
}
