import { isCloverError, storageFailed } from '../errors.js'
import { withoutPasswords } from './without-passwords.js'

/**
 * @internal A failure of the adapter as FST_CLOVER_STORAGE, without any token or password that its message quotes.
 *
 * @param secrets the tokens that the adapter was called with
 */
export function storageFailure (method: string, error: unknown, merchantId: string | undefined, secrets: unknown[] = []): unknown {
  if (isCloverError(error)) return error // from encryptedStorage: its message says how to repair it
  const reason = withoutSecrets(error instanceof Error ? error.message : String(error), secrets)
  return storageFailed(method, reason, merchantId, Object.assign(new Error(reason), errorName(error)))
}

/** A run of token characters of this length is redacted unless it looks like a word: a store may quote any part of a record. */
const long = /[\w~+=%-]{20,}/g
const noWord = /\d|[a-z][A-Z]|[A-Z][a-z]/

/** Redacts tokens and passwords: a database's message may quote parameters, stored values and its own address. */
function withoutSecrets (message: string, secrets: unknown[]): string {
  const known = secrets.reduce<string>(
    (text, secret) => typeof secret === 'string' && secret !== '' ? text.replaceAll(secret, '[redacted]') : text,
    message.slice(0, 10_000)
  )
  return withoutPasswords(known).replace(long, word => noWord.test(word) ? '[redacted]' : word).slice(0, 500)
}

/**
 * The name and code of the adapter's error, by which an operator finds it in the database's documentation. Only short words are kept, so that
 * they cannot contain a token.
 */
function errorName (error: unknown): { name?: string, code?: unknown } {
  if (!(error instanceof Error)) return {}
  const code: unknown = 'code' in error ? error.code : undefined
  const isCode = typeof code === 'number' || (typeof code === 'string' && /^(?:[A-Z0-9_]{1,40}|[A-Za-z]{1,60})$/.test(code))
  return { ...(/^[A-Za-z]{1,60}$/.test(error.name) && { name: error.name }), ...(isCode && { code }) }
}
