import { isCloverError } from '../errors.js'

/** @internal Why a call to the store failed, without a full stop, for an operator. `Store` has removed tokens from it. */
export function whyStorageFailed (error: unknown): string {
  if (!isCloverError(error)) throw error
  const { cause, message } = error
  return (cause instanceof Error ? cause.message : message).replace(/\.$/, '')
}
