import type { TObject, TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { invalidOptions } from '../errors.js'

/**
 * @internal Checks the options of a job: data against a schema whose fields say what they `must` be, and a signal and functions.
 *
 * @throws FST_CLOVER_INVALID_OPTIONS with a sentence for each wrong option, and for each that there is not: a misspelt one would change what is done
 */
export function checkJobOptions (method: string, schema: TObject, options: unknown): void {
  if (typeof options !== 'object' || options === null) throw invalidOptions([`${method}(): options must be an object.`])
  const problems = Object.entries(options).flatMap(([name, value]: [string, unknown]) => {
    if (value === undefined) return []
    if (name === 'signal') return value instanceof AbortSignal ? [] : ['signal must be an AbortSignal.']
    if (name === 'onProgress') return typeof value === 'function' ? [] : ['onProgress must be a function.']
    const field: TSchema | undefined = schema.properties[name]
    if (field === undefined) return [`${name} is not an option.`]
    return Value.Check(field, value) ? [] : [`${name} must be ${String(field.must)}.`]
  })
  if (problems.length > 0) throw invalidOptions(problems.map(problem => `${method}(): ${problem}`))
}
