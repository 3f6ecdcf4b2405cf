import { Kind, type TObject, type TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { didYouMean } from './did-you-mean.js'

/** @internal Whether a value is a plain object, of this realm or another: no array, no Map, no instance of a class. */
export function isPlainObject (value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/**
 * @internal A sentence for each field that is wrong or unknown: a misspelt option would otherwise silently have no effect.
 *
 * The sentence is completed by `must`, an annotation of the field's schema, and never has the value. Undefined counts as left out.
 *
 * @param prefix put before each name, such as `keepAlive.`
 */
export function wrongFields (schema: TObject, given: Record<string, unknown>, prefix = ''): string[] {
  // A field of type Never must be left out, so it is not suggested.
  const known = Object.keys(schema.properties).filter(name => schema.properties[name]?.[Kind] !== 'Never')
  return Object.entries(given).flatMap(([name, value]) => {
    if (value === undefined) return []
    // Own fields only: an option may be named like a member of every object, such as toString.
    const field: TSchema | undefined = Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined
    if (field === undefined) return [`${prefix}${name} is not an option${didYouMean(name, known, prefix) || '.'}`]
    return Value.Check(field, value) ? [] : [`${prefix}${name} must be ${String(field.must)}.`]
  })
}
