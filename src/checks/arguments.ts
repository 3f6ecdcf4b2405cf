import { Kind, Type, TypeRegistry, type TObject, type TSchema } from '@sinclair/typebox'
import { invalidMerchantId, invalidOptions } from '../errors.js'
import { isMerchantId } from '../installation.js'
import { isPlainObject, wrongFields } from './wrong-fields.js'

const signalKind = 'fastify-clover:AbortSignal'
TypeRegistry.Set(signalKind, (_schema, value) => value instanceof AbortSignal)

/** @internal A schema of an `AbortSignal`, for which JSON Schema has no type. */
export const Signal = Type.Unsafe<AbortSignal>({ [Kind]: signalKind, must: 'an AbortSignal' })

/** @internal A schema of a function; its type is not checked. */
export const Callback = <T extends (...args: never[]) => unknown>() => Type.Unsafe<T>({ ...Type.Function([], Type.Unknown()), must: 'a function' })

/** @internal A schema of a function's options: TypeScript checks that it has each field of the interface that documents them. */
export const optionsOf = <T>(fields: { [K in keyof T]-?: TSchema & { static: Exclude<T[K], undefined> } }): TObject => Type.Object(fields)

/**
 * @internal Checks the options of a public function. Each field of the schema has a `must`, which completes the error sentence. Undefined counts as
 * left out.
 *
 * @param name the function's name, for the error
 * @throws FST_CLOVER_INVALID_OPTIONS with a sentence for each wrong or unknown option
 */
export function checkOptions (name: string, schema: TObject, options: unknown): void {
  const problems = problemsOf(schema, options)
  if (problems.length > 0) throw invalidOptions(problems.map(problem => `${name}(): ${problem}`))
}

/** @internal As `checkOptions`, but throws a TypeError: for functions that a host calls before it registers the plugin. */
export function requireOptions (name: string, schema: TObject, options: unknown): void {
  const problems = problemsOf(schema, options)
  if (problems.length > 0) throw new TypeError(problems.map(problem => `${name}: ${problem}`).join('\n'))
}

function problemsOf (schema: TObject, options: unknown): string[] {
  if (options === undefined) return []
  return isPlainObject(options) ? wrongFields(schema, options) : ['options must be a plain object.']
}

/** @internal @throws FST_CLOVER_INVALID_MERCHANT_ID */
export function requireMerchantId (merchantId: unknown): asserts merchantId is string {
  if (!isMerchantId(merchantId)) throw invalidMerchantId()
}
