import { errorsIn } from './driver-error.js'

/** Whether a statement failed since its table does not exist. */
export function isMissingTable (error: unknown): boolean {
  // PostgreSQL's SQLSTATE undefined_table; MySQL's ER_NO_SUCH_TABLE; SQLite has only the text.
  return hasCode(error, ['42P01', 'ER_NO_SUCH_TABLE', 1146]) || errorsIn(error).some(({ message }) => typeof message === 'string' && message.includes('no such table'))
}

/** MySQL: whether an INSERT failed since there is a row with its key. */
export function isDuplicateKey (error: unknown): boolean {
  return hasCode(error, ['ER_DUP_ENTRY', 1062])
}

/**
 * Whether the database has rolled a statement back in favour of another one: PostgreSQL's serialization_failure (with isolation level serializable the
 * loser of a race gets it instead of no row) and deadlock_detected, MySQL's ER_LOCK_DEADLOCK and MariaDB's ER_CHECKREAD.
 */
export function isWorthRepeating (error: unknown): boolean {
  return hasCode(error, ['40001', '40P01', 'ER_LOCK_DEADLOCK', 1213, 'ER_CHECKREAD', 1020])
}

/** Whether an error, or one that it wraps, has one of these codes. Clients have a number as a number or as a string. */
function hasCode (error: unknown, codes: Array<string | number>): boolean {
  const wanted = codes.map(String)
  return errorsIn(error).some(({ code, errno, originalCode }) =>
    [code, errno, originalCode].some(found => found !== undefined && wanted.includes(String(found))))
}
