/** The reason why an adapter does not conform. */
export class ConformanceError extends Error {
  override name = 'ConformanceError'
}

/** Fails a case. `sentence`: the defect, for the author of the adapter. */
export function fail (sentence: string, cause?: unknown): never {
  throw new ConformanceError(sentence, cause === undefined ? undefined : { cause })
}

/** Fails a case unless `condition` is true. */
export function check (condition: boolean, sentence: string): asserts condition {
  if (!condition) fail(sentence)
}

/** A case cannot be tried on this store, which is not a failure. */
export class CannotTry extends Error {}
