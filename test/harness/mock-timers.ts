import { mock } from 'node:test'

/**
 * Puts the timers of a test, and its `Date` if a time is given, into the test's hands until it ends.
 *
 * What was set before stays real, and can still be cleared: a connection of an earlier test that closes meanwhile would otherwise leave a timer, which
 * fires minutes later, when its connection is gone.
 *
 * @param now milliseconds since 1970
 */
export function mockTimers (t: { teardown: (fn: () => void) => unknown }, now?: number): void {
  mock.timers.reset()
  const { clearTimeout: clearReal } = globalThis
  mock.timers.enable({ apis: ['setTimeout', ...(now === undefined ? [] : ['Date' as const])], now })
  const { clearTimeout: clearMocked } = globalThis
  globalThis.clearTimeout = timer => {
    clearReal(timer)
    clearMocked(timer)
  }
  t.teardown(() => mock.timers.reset())
}
