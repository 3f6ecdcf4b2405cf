import { AsyncLocalStorage, AsyncResource, executionAsyncResource } from 'node:async_hooks'

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
    const scope = executionAsyncResource()
    if (scope instanceof AsyncResource) runInside(scope, this)
    else current.enterWith(this) // the root of all tests
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

/** Has what runs in the scope of a test know the test. What is entered in a scope is forgotten at its end since Node 24. */
function runInside (scope, test) {
  const { runInAsyncScope } = scope
  scope.runInAsyncScope = (work, self, ...args) => runInAsyncScope.call(scope, () => current.run(test, () => work.apply(self, args)))
}

// A listener for `uncaughtException` itself would be one that tests of signals and of the command line can see.
process.on('uncaughtExceptionMonitor', (error, origin) => {
  if (process.hasUncaughtExceptionCaptureCallback() || process.listenerCount('uncaughtException') > 0) return
  const test = current.getStore()?.open
  if (test === undefined) return
  process.setUncaughtExceptionCaptureCallback(() => process.setUncaughtExceptionCaptureCallback(null))
  test.onerror(error, origin)
})
