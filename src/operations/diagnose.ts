import { Type } from '@sinclair/typebox'
import { checkOptions, optionsOf, requireMerchantId, Signal } from '../checks/arguments.js'
import { closing } from '../errors.js'
import { cloverFindings } from './clover-checks.js'
import type { DiagnosisContext, DiagnosisParts } from './context.js'
import { dashboardFindings } from './dashboard-checks.js'
import { durabilityFindings } from './durability-checks.js'
import type { Finding } from './finding.js'
import { merchantFindings } from './merchant-checks.js'
import { optionFindings } from './option-checks.js'
import { publicFindings } from './public-checks.js'
import { createReach } from './reach.js'
import { storageFindings } from './storage-checks.js'

/** The options of `diagnose()`. */
export interface DiagnoseOptions {
  /** A connected merchant to look at as well: the tokens, the Read merchant permission and the ecommerce key. Default: none. */
  merchantId?: string | undefined
  /** Ends the diagnosis with the signal's reason. */
  signal?: AbortSignal | undefined
}

// Any value, since `requireMerchantId` checks it: a wrong merchant id has the same error here as in every other call.
const DiagnoseArgument = optionsOf<DiagnoseOptions>({ merchantId: Type.Unsafe<string>(Type.Unknown()), signal: Signal })

/** The groups of checks, in their order. */
const groups: Array<(context: DiagnosisContext) => Iterable<Finding> | AsyncIterable<Finding>> = [
  optionFindings, cloverFindings, publicFindings, storageFindings, durabilityFindings, merchantFindings, dashboardFindings
]

/** @internal Backs `diagnose()`: one check after the other, each as far as the findings before it are taken. */
export async function * diagnose (parts: DiagnosisParts, given: DiagnoseOptions = {}): AsyncGenerator<Finding, void, undefined> {
  checkOptions('diagnose', DiagnoseArgument, given)
  const { merchantId, signal } = given
  if (merchantId !== undefined) requireMerchantId(merchantId)
  const { closing: isClosing, runtime, options: { userAgent, callTimeout } } = parts
  const stop = AbortSignal.any([isClosing, ...signal ? [signal] : []])
  const throwIfStopped = () => {
    signal?.throwIfAborted()
    if (isClosing.aborted) throw closing()
  }
  const reach = createReach({ runtime, userAgent, timeout: callTimeout, stop, throwIfStopped })
  throwIfStopped()
  for (const findings of groups) {
    for await (const finding of findings({ ...parts, merchantId, reach, throwIfStopped, stop })) {
      yield finding
      throwIfStopped()
    }
  }
}
