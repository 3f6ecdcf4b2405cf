import { parseArgs } from 'node:util'
import { Kind, type Static, type TObject, type TSchema } from '@sinclair/typebox'
import { wrongFields } from '../checks/wrong-fields.js'
import { UsageError } from './usage-error.js'

/** @internal The arguments of a command, by their names, and its options as its schema has them. */
export interface Arguments<Name extends string, Options> {
  named: Record<Name, string>
  options: Options
}

/**
 * @internal Reads the arguments of a command.
 *
 * @param command the command's name, for the error
 * @param names the arguments that are no options, in their order: all are required
 * @param schema the options by their long names. A boolean takes no value; a number is parsed. `must` completes the error sentence
 * @throws UsageError with a sentence for each wrong or unknown option, or for a missing argument
 */
export function readArguments<Name extends string, Schema extends TObject> (
  command: string, args: string[], names: readonly Name[], schema: Schema
): Arguments<Name, Static<Schema>> {
  const fields: Record<string, TSchema> = schema.properties
  const types = Object.entries(fields).map(([name, field]) => [name, { type: isFlag(field) ? 'boolean' as const : 'string' as const }])
  const { tokens } = parseArgs({ args, options: Object.fromEntries(types), strict: false, tokens: true, allowPositionals: true })
  const options: Record<string, unknown> = Object.create(null)
  const given: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') given.push(token.value)
    if (token.kind === 'option') options[token.name] = valueOf(Object.hasOwn(fields, token.name) ? fields[token.name] : undefined, token)
  }
  const problems = wrongFields(schema, options, '--')
  if (problems.length > 0) throw new UsageError(problems.join(' '))
  if (given.length !== names.length) throw new UsageError(`${command} takes ${names.map(name => `<${name}>`).join(' ') || 'only options'}: see fastify-clover ${command} --help.`)
  return { named: Object.fromEntries(names.map((name, i) => [name, given[i]])) as Record<Name, string>, options: options as Static<Schema> }
}

const isFlag = (field: TSchema) => field[Kind] === 'Boolean'

/** The value of an option, or null for one that its schema must refuse. */
function valueOf (field: TSchema | undefined, { value, inlineValue }: { value: string | undefined, inlineValue: boolean | undefined }): unknown {
  if (field === undefined) return null
  if (isFlag(field)) return value === undefined ? true : null
  // Without its value an option would take the next option for it.
  if (value === undefined || value.trim() === '' || (value.startsWith('-') && !inlineValue)) return null
  return field[Kind] === 'Number' || field[Kind] === 'Integer' ? Number(value) : value
}
