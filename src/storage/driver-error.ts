import { isCloverError } from '../errors.js'

/**
 * Runs a call to a database driver. If it fails, throws an error with only the driver's message and code.
 *
 * Drivers add more to their errors: ioredis the command with its arguments, pg the failing row. These contain tokens, and loggers print all
 * enumerable properties of an error.
 */
export async function withPlainErrors<T> (work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw isCloverError(error) ? error : plainError(error)
  }
}

/** The database's code for a failure (`42P01`, `ER_DUP_ENTRY`, `SQLITE_BUSY`), if it has one. */
export function codeOf (error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  return errorsIn(error).map(({ code }) => code).filter(code => typeof code === 'string').at(-1)
}

/** A client's error, and the errors of the database that it wraps, from the outside in. */
export function errorsIn (error: unknown, depth = 0): Array<Record<string, unknown>> {
  if (typeof error !== 'object' || error === null || depth > deepest) return []
  const fields = error as Record<string, unknown>
  return [fields, ...wrappers.flatMap(name => errorsIn(fields[name], depth + 1))]
}

const deepest = 4

/** Where clients keep the database's error: Node, TypeORM, Prisma. */
const wrappers = ['cause', 'driverError', 'meta', 'driverAdapterError']

function plainError (error: unknown): Error {
  const code = codeOf(error)
  // Node's AggregateError for a refused connection has a code and no message.
  const message = (error instanceof Error ? error.message : '') || code || 'The database driver failed without a message.'
  return Object.assign(new Error(message), code === undefined ? {} : { code })
}
