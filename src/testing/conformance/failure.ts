/** Why an adapter does not conform. */
export class ConformanceError extends Error {
  override name = 'ConformanceError'
}

/** Ends a case: `sentence` says what is broken, to somebody who writes an adapter. */
export function fail (sentence: string, cause?: unknown): never {
  throw new ConformanceError(sentence, cause === undefined ? undefined : { cause })
}

/** Ends a case unless `condition` holds. */
export function check (condition: boolean, sentence: string): asserts condition {
  if (!condition) fail(sentence)
}

/** What cannot be tried on this store; not a failure. */
export class CannotTry extends Error {}
