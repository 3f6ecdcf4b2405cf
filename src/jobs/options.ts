import type { TObject } from '@sinclair/typebox'
import { invalidOptions } from '../errors.js'
import { isPlainObject, wrongFields } from '../wrong-fields.js'

/**
 * @internal Checks the options of a job: data against a schema whose fields say what they `must` be, and the signal and the function, for which
 * there is no schema.
 *
 * @throws FST_CLOVER_INVALID_OPTIONS with a sentence for each wrong option, and for each that does not exist
 */
export function checkJobOptions (method: string, schema: TObject, options: unknown): void {
  if (!isPlainObject(options)) throw invalidOptions([`${method}(): options must be a plain object.`])
  const { signal, onProgress, ...data } = options
  const problems = wrongFields(schema, data)
  if (signal !== undefined && !(signal instanceof AbortSignal)) problems.push('signal must be an AbortSignal.')
  if (onProgress !== undefined && typeof onProgress !== 'function') problems.push('onProgress must be a function.')
  if (problems.length > 0) throw invalidOptions(problems.map(problem => `${method}(): ${problem}`))
}
