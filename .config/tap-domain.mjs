import { AsyncLocalStorage } from 'node:async_hooks'

/*
 * In the place of the package async-hook-domain, by which tap finds the test that an uncaught error belongs to. That one follows each promise and timer
 * from its beginning until it is collected, which takes a third of the time of tests like these. Node itself follows them here.
 */

/** The innermost test of what is running. */
const current = new AsyncLocalStorage()

/** A test that has not ended. tap makes it in the scope in which the test will run. */
export class Domain {
  #outer = current.getStore()
  #hasEnded = false

  /** @param onerror called with an uncaught error, and with `uncaughtException` or `unhandledRejection` */
  constructor (onerror) {
    this.onerror = onerror
    current.enterWith(this)
  }

  /** This test, or the innermost one around it that has not ended. */
  get open () {
    return this.#hasEnded ? this.#outer?.open : this
  }

  /** The test has ended. */
  destroy () {
    this.#hasEnded = true
  }
}

// A listener for `uncaughtException` itself would be one that tests of signals and of the command line can see.
process.on('uncaughtExceptionMonitor', (error, origin) => {
  if (process.hasUncaughtExceptionCaptureCallback() || process.listenerCount('uncaughtException') > 0) return
  const test = current.getStore()?.open
  if (test === undefined) return
  process.setUncaughtExceptionCaptureCallback(() => process.setUncaughtExceptionCaptureCallback(null))
  test.onerror(error, origin)
})
