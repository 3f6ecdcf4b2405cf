/** @internal The clock and the timers of a deadline: tests inject their own. */
export interface Timing {
  /** Monotonic milliseconds. */
  monotonic (): number
  /** Runs a function after some milliseconds. Returns a function that cancels it. */
  after (milliseconds: number, run: () => void): () => void
}

/** @internal The clock and the timers of a real process. */
export const realTiming: Timing = {
  monotonic: () => performance.now(),
  after: (milliseconds, run) => {
    const timer = setTimeout(run, milliseconds)
    return () => { clearTimeout(timer) }
  }
}

/** @internal Milliseconds after which a timer counts as late: the process did not run, or its event loop was blocked. */
export const lateness = 25

/** Milliseconds between two checks of the clock while a deadline runs. */
const checkInterval = 250

/** The grace after a stall, in steps of some milliseconds. Each step is a turn of the event loop, in which Node reads its sockets. */
const grace = { steps: 10, stepLength: 50 }

/** @internal Milliseconds by which a deadline is exceeded at most, as long as the process runs. */
export const longestGrace = grace.steps * grace.stepLength

/**
 * @internal Calls `onEnd` after some milliseconds. Returns a function that cancels it.
 *
 * If the process does not run for a while (`SIGSTOP`, a throttled container) or its event loop is blocked, timers fire before Node reads
 * its sockets, so a plain timer would drop an answer that has arrived already. The deadline therefore notices such a stall, and then waits
 * for up to {@link longestGrace} milliseconds more (rule 21). The grace has steps, since one long timer would end with a second stall.
 */
export function startDeadline (milliseconds: number, onEnd: () => void, { monotonic, after }: Timing = realTiming): () => void {
  let left = milliseconds
  let hasStalled = false
  let stepsLeft = grace.steps
  let cancel = step()
  return () => { cancel() }

  function step (): () => void {
    const length = left > 0 ? Math.min(left, checkInterval) : grace.stepLength
    const began = monotonic()
    return after(length, () => {
      const passed = monotonic() - began
      hasStalled ||= passed > length + lateness
      left -= Math.max(length, passed) // a timer may fire a fraction of a millisecond early
      if (left > 0 || (hasStalled && stepsLeft-- > 0)) cancel = step()
      else onEnd()
    })
  }
}
