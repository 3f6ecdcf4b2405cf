import type { FastifySchemaCompiler, FastifySerializerCompiler } from 'fastify'
import type { App } from './parts.js'

/** What the first simulator of this process has compiled the schemas of its routes with. */
let first: { validate: FastifySchemaCompiler<object>, serialize: FastifySerializerCompiler<object> } | undefined

/**
 * Lets the routes of a scope use the validators and serializers that the first simulator of this process has compiled. To compile them takes longer
 * than all else in a simulator's start, and a test suite starts many. The schemas are constants, so each is compiled once.
 */
export function shareCompilers (scope: App): void {
  if (first !== undefined) {
    scope.setValidatorCompiler(first.validate)
    scope.setSerializerCompiler(first.serialize)
    return
  }
  scope.addHook('onReady', done => {
    const { validatorCompiler, serializerCompiler } = scope
    if (validatorCompiler && serializerCompiler) first ??= { validate: once(validatorCompiler), serialize: once(serializerCompiler) }
    done()
  })
}

/** Compiles each schema once. */
function once<Route extends { schema: unknown }, Compiled> (compile: (route: Route) => Compiled): (route: Route) => Compiled {
  const compiled = new WeakMap<object, Compiled>()
  return route => {
    const schema = route.schema as object
    const known = compiled.get(schema) ?? compile(route)
    compiled.set(schema, known)
    return known
  }
}
