import { badReply, unavailable, type CloverError } from '../errors.js'

/** @internal Clover refused the token or the code that was presented. */
export interface Refused {
  outcome: 'refused'
  status: number
  /** The `X-Clover-Recovery-Available` header: a hint for the log, never a gate. */
  recoveryAvailable: boolean
}

/** @internal No answer, or one that says nothing about the presented token or code: it may or may not have been spent. */
export interface Unclear {
  outcome: 'unclear'
  reason: string
  /** Clover answered with success, but not in the documented form. */
  malformed: boolean
  /** Clover answered 429: it did not process the request, so nothing was spent. */
  limited?: true
  /** Seconds, if the answer had `retry-after`. */
  retryAfter?: number
}

/** @internal The result of a call to Clover. */
export type Answer<T> = { outcome: 'ok', value: T } | Refused | Unclear

/** @internal The error that a caller gets for an unclear answer. */
export function unclearError (answer: Unclear, merchantId?: string): CloverError {
  return answer.malformed ? badReply(answer.reason, merchantId) : unavailable(answer.reason, answer.retryAfter, merchantId)
}
