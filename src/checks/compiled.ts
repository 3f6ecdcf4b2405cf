import type { Static, TSchema } from '@sinclair/typebox'
import { TypeCompiler, type TypeCheck } from '@sinclair/typebox/compiler'

/** @internal The check of a schema, compiled when it is first used: a process needs few of them before it can answer. */
export class Compiled<T extends TSchema> {
  readonly #schema: T
  #check: TypeCheck<T> | undefined

  constructor (schema: T) {
    this.#schema = schema
  }

  accepts (value: unknown): value is Static<T> {
    this.#check ??= TypeCompiler.Compile(this.#schema)
    return this.#check.Check(value)
  }

  /** The path of the first field that is wrong, `/` for the value itself, and what it should be; never the value. */
  firstError (value: unknown): { path: string, message: string } {
    this.#check ??= TypeCompiler.Compile(this.#schema)
    const error = this.#check.Errors(value).First()
    return { path: error?.path || '/', message: String(error?.message) }
  }
}
