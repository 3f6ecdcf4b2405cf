import { badReply, unavailable, type CloverError } from '../errors.js'

/** @internal Clover refused: an answer that says something about the token or the code that was presented. */
export interface Refused {
  outcome: 'refused'
  status: number
  /** The `X-Clover-Recovery-Available` header: a hint for the log, never a gate. */
  recoveryAvailable: boolean
}

/** @internal No answer, or one that says nothing about what was presented: it may or may not have been consumed. */
export interface Unclear {
  outcome: 'unclear'
  reason: string
  /** Clover answered with success, but not in the documented form. */
  malformed: boolean
  /** Clover refused to look at it, since there are too many requests: nothing was consumed. */
  limited?: true
  /** Seconds, where Clover named them. */
  retryAfter?: number
}

/** @internal What a call to Clover came to. */
export type Answer<T> = { outcome: 'ok', value: T } | Refused | Unclear

/** @internal The error that a caller sees when an answer was unclear. */
export function unclearError (answer: Unclear, merchantId?: string): CloverError {
  return answer.malformed ? badReply(answer.reason, merchantId) : unavailable(answer.reason, answer.retryAfter, merchantId)
}
