import type { TObject, TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'

/** @internal Whether a value is an object as `{}` makes it, of this realm or another: no array, no Map, no instance of a class. */
export function isPlainObject (value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/**
 * @internal A sentence for each field that its schema refuses, or that the schema does not have: a misspelt option would otherwise have no effect.
 *
 * The sentence says what the field `must` be, which is an annotation of its schema, and never its value. Undefined counts as left out.
 *
 * @param prefix put before each name, such as `keepAlive.`
 */
export function wrongFields (schema: TObject, given: Record<string, unknown>, prefix = ''): string[] {
  return Object.entries(given).flatMap(([name, value]) => {
    if (value === undefined) return []
    // The schema's own fields only: an option may be named as something that every object has, such as toString.
    const field: TSchema | undefined = Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined
    if (field === undefined) return [`${prefix}${name} is not an option.`]
    return Value.Check(field, value) ? [] : [`${prefix}${name} must be ${String(field.must)}.`]
  })
}
