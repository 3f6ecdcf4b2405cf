/**
 * Runs a call to a database driver, and on failure throws the driver's message and code and nothing else.
 *
 * Drivers hang more on their errors: ioredis the command with its arguments, pg the failing row. Those hold tokens, and loggers print
 * whatever is enumerable on an error.
 */
export async function withPlainErrors<T> (work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw plainError(error)
  }
}

/** The driver's code for a failure (`42P01`, `SQLITE_BUSY`), if it has one. */
export function codeOf (error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function plainError (error: unknown): Error {
  const code = codeOf(error)
  // Node's AggregateError for a refused connection has a code and no message.
  const message = (error instanceof Error ? error.message : '') || code || 'The database driver failed without a message.'
  return Object.assign(new Error(message), code === undefined ? {} : { code })
}
