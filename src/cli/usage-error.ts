import { isCloverError } from '../errors.js'
import { withoutPasswords } from '../tokens/without-passwords.js'

/** @internal Arguments, files or an app that cannot be used as they are: printed as a sentence, with exit code 2. */
export class UsageError extends Error {
  /** @param details sentences that are printed below the message, each on a line of its own */
  constructor (message: string, readonly details: readonly string[] = []) {
    super(message)
  }
}

/**
 * @internal The first line of an error's message, for a sentence: Node adds lines such as `Require stack:`. It has no password of a database.
 */
export function messageOf (error: unknown): string {
  if (!(error instanceof Error)) return sentenceOf(String(error))
  // An error of several addresses that refused a connection has a code, and no message.
  return sentenceOf(error.message || ('code' in error ? String(error.code) : error.name))
}

/** @internal The error of an app that fails by itself. Several wrong options of the plugin have a line each. */
export function failed (what: string, error: unknown): UsageError {
  const wrong = isCloverError(error, 'FST_CLOVER_INVALID_OPTIONS') ? error.message.split('\n').map(sentenceOf) : []
  return wrong.length > 1 ? new UsageError(`${what}:`, wrong) : new UsageError(`${what}: ${messageOf(error)}`)
}

/** The longest text that is looked at. */
const longest = 10_000

function sentenceOf (text: string): string {
  return withoutPasswords(String(text.slice(0, longest).split('\n')[0]))
}
