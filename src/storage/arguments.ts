import { Type } from '@sinclair/typebox'

const identifier = '[A-Za-z0-9_]{1,63}'

/** A table's name. It goes into the SQL text, since a name cannot be a parameter, so it is checked. */
export const Table = Type.String({ pattern: `^${identifier}$`, must: 'a name of letters, digits and underscores, at most 63 of them' })

/** A table's name, with or without its schema. */
export const QualifiedTable = Type.String({
  pattern: `^${identifier}(?:\\.${identifier})?$`,
  must: 'a name of letters, digits and underscores, at most 63 of them, or two such names as schema.table'
})

/** Throws a TypeError for a client that was not recognized. `expected`: the clients that the adapter accepts, for the error. */
export function requireClient (adapter: string, isRecognized: boolean, expected: string): void {
  if (!isRecognized) throw new TypeError(`${adapter}: the first argument must be ${expected}.`)
}

/** As `requireClient`, for a client with a method of this name. */
export function requireMethod (adapter: string, client: unknown, method: string, expected: string): void {
  requireClient(adapter, hasMethod(client, method), expected)
}

/** Whether a value is an object, or a function, with a method of this name. Calls nothing. */
export function hasMethod (value: unknown, method: string): boolean {
  return ((typeof value === 'object' && value !== null) || typeof value === 'function') && method in value &&
    typeof (value as Record<string, unknown>)[method] === 'function'
}
