import type { Runtime } from '../runtime.js'

/**
 * @internal The longest wait for the host to take the events of one body, in milliseconds: less than a closing server waits for a refresh, so it
 * delays no shutdown.
 */
export const longestWait = 10_000

/**
 * @internal Gives every event to the host, in order and all at once, and resolves with those that it did not take: the call failed, or had not
 * ended after {@link longestWait}. Such a call goes on, but its result is ignored.
 *
 * All at once, so that a few calls that never end do not keep the others from being taken.
 *
 * @param take resolves with whether the host took an event; must not reject
 */
export async function awaitEvents<T> (events: readonly T[], take: (event: T) => Promise<boolean>, { sleep }: Pick<Runtime, 'sleep'>): Promise<Set<T>> {
  const left = new Set(events)
  const limit = new AbortController()
  const calls = events.map(async event => { if (await take(event)) left.delete(event) })
  await Promise.race([Promise.all(calls), sleep(longestWait, limit.signal)])
  limit.abort()
  return new Set(left)
}
