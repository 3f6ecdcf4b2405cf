import { AsyncLocalStorage } from 'node:async_hooks'

/*
 * In place of async-hook-domain, by which tap finds the test that an error without a catcher belongs to. That one watches the creation and the end of every
 * promise, which takes a third of the time of a test of asynchronous code; a store that follows the calls knows the same.
 */

const current = new AsyncLocalStorage()
const emit = process.emit
let living = 0

function handle (error, kind, isRejection = false) {
  if (process.hasUncaughtExceptionCaptureCallback() || process.listeners('uncaughtException').length > 0) return false
  let domain = current.getStore()
  while (domain?.isDestroyed) domain = domain.parent
  if (domain === undefined) return false
  domain.onerror(error, kind)
  // The error has been reported, and is not to end the process.
  if (!isRejection) process.setUncaughtExceptionCaptureCallback(() => process.setUncaughtExceptionCaptureCallback(null))
  return true
}

function emitOrHandle (event, ...args) {
  if (event !== 'unhandledRejection' || process.listeners('unhandledRejection').length > 0) return emit.call(process, event, ...args)
  return handle(args[0], 'unhandledRejection', true)
}

export class Domain {
  isDestroyed = false

  constructor (onerror) {
    this.onerror = onerror
    this.parent = current.getStore()
    current.enterWith(this)
    if (living++ === 0) {
      process.on('uncaughtExceptionMonitor', handle)
      process.emit = emitOrHandle
    }
  }

  destroy () {
    if (this.isDestroyed) return
    this.isDestroyed = true
    if (--living > 0) return
    process.off('uncaughtExceptionMonitor', handle)
    process.emit = emit
  }
}
