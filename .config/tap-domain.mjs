/*
 * In the place of the package async-hook-domain, by which tap finds the test that an uncaught error belongs to. That one follows each promise from its
 * beginning until it is collected, which takes a third of the time of tests like these. Here an error belongs to the innermost test that has not ended:
 * the tests of a process run one after another.
 */

/** The tests that have not ended, the outermost first. */
const open = []

export class Domain {
  /** @param onerror called with an uncaught error, and with `uncaughtException` or `unhandledRejection` */
  constructor (onerror) {
    this.onerror = onerror
    open.push(this)
  }

  /** The test has ended. */
  destroy () {
    const index = open.indexOf(this)
    if (index >= 0) open.splice(index, 1)
  }
}

// A listener for `uncaughtException` itself would be one that tests of signals and of the command line can see.
process.on('uncaughtExceptionMonitor', (error, origin) => {
  if (process.hasUncaughtExceptionCaptureCallback() || process.listenerCount('uncaughtException') > 0) return
  const domain = open.at(-1)
  if (domain === undefined) return
  process.setUncaughtExceptionCaptureCallback(() => process.setUncaughtExceptionCaptureCallback(null))
  domain.onerror(error, origin)
})
