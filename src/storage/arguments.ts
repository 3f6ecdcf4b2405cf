const identifierPattern = /^[A-Za-z0-9_]{1,63}$/

/**
 * A table's name, quoted for SQL: a name cannot be a parameter of a statement, so it is checked instead.
 *
 * Throws a TypeError if it is not made of ASCII letters, digits and underscores, 63 at most. `schema`: may be `schema.table`.
 */
export function quoteTable (adapter: string, table: unknown, { schema }: { schema: boolean }): string {
  const parts = typeof table === 'string' ? table.split('.') : []
  if (parts.length < 1 || parts.length > (schema ? 2 : 1) || !parts.every(part => identifierPattern.test(part))) {
    throw new TypeError(`${adapter}: the option table must be a name of letters, digits and underscores, at most 63 of them` +
      `${schema ? ', or two such names as schema.table' : ''}.`)
  }
  return parts.map(part => `"${part}"`).join('.')
}

/** Throws a TypeError that says what an adapter expects, unless its client has a method of this name. Nothing is called. */
export function requireMethod (adapter: string, client: unknown, method: string, expected: string): void {
  if (!hasMethod(client, method)) throw new TypeError(`${adapter}: the first argument must be ${expected}.`)
}

/** Whether a value is an object with a method of this name. */
export function hasMethod (value: unknown, method: string): boolean {
  return typeof value === 'object' && value !== null && method in value && typeof (value as Record<string, unknown>)[method] === 'function'
}
