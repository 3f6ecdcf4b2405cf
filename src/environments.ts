import { Type, type Static } from '@sinclair/typebox'

/*
 * Clover's hosts. Sources: https://docs.clover.com/dev/docs/using-oauth and https://docs.clover.com/dev/docs/making-rest-api-calls.
 * Clover's pages disagree on some of them, so each origin can be overridden.
 */

/** The names of Clover's own environments. */
export const EnvironmentName = Type.Union(
  [Type.Literal('sandbox'), Type.Literal('north-america'), Type.Literal('europe'), Type.Literal('latin-america')],
  { description: 'One of Clover\'s own environments' })
export type EnvironmentName = Static<typeof EnvironmentName>

/** @internal The same names, as a list. */
export const environmentNames: readonly EnvironmentName[] = EnvironmentName.anyOf.map(({ const: name }) => name)

const Origin = Type.String({ minLength: 1, description: 'An origin: https://host, or http://localhost:port' })

const Origins = Type.Object({
  /** Origin of the v2 authorize page, which the browser visits. */
  authorize: Type.String({ ...Origin, description: 'Origin of the v2 authorize page, which the browser visits' }),
  /** Origin of the v2 token endpoints and of the REST API. */
  api: Type.String({ ...Origin, description: 'Origin of the v2 token endpoints and of the REST API' }),
  /** Origin of v1's `/oauth/authorize` and `/oauth/token`. */
  legacy: Type.String({ ...Origin, description: 'Origin of v1\'s /oauth/authorize and /oauth/token' }),
  /** Origin of the ecommerce key service (PAKMS) and of the ecommerce API. Default: that of `base`, or none. */
  ecommerce: Type.Optional(Type.String({ ...Origin, description: 'Origin of the ecommerce key service (PAKMS)' }))
}, { additionalProperties: false })

/** An environment with all its origins, to which the option `environment` is resolved. */
export const Environment = Type.Object({
  /** Kept in each record, 1 to 64 characters, none of them a control character: a record serves its own environment only. */
  // JSONB columns refuse U+0000 and lone surrogates.
  name: Type.String({
    minLength: 1, maxLength: 64, pattern: '^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$', description: 'Kept in each record: a record serves its own environment only. No control characters'
  }),
  ...Origins.properties
}, { additionalProperties: false, description: 'A custom environment: a simulator or a new region' })
export type Environment = Static<typeof Environment>

/** The values of the option `environment`: a name, a name with some origins overridden, or all origins. */
export const EnvironmentOption = Type.Union([
  EnvironmentName,
  Type.Object({
    /** The environment of Clover whose origins are used unless they are overridden. */
    base: EnvironmentName,
    ...Type.Partial(Origins).properties
  }, { additionalProperties: false, description: 'One of Clover\'s environments with some origins overridden' }),
  Environment
])
export type EnvironmentOption = Static<typeof EnvironmentOption>

/** Clover's environments and their origins. */
export const environments: Readonly<Record<EnvironmentName, Readonly<Environment>>> = Object.freeze({
  sandbox: Object.freeze({
    name: 'sandbox',
    authorize: 'https://sandbox.dev.clover.com',
    api: 'https://apisandbox.dev.clover.com',
    legacy: 'https://sandbox.dev.clover.com',
    ecommerce: 'https://scl-sandbox.dev.clover.com'
  }),
  'north-america': Object.freeze({
    name: 'north-america',
    authorize: 'https://www.clover.com',
    api: 'https://api.clover.com',
    legacy: 'https://www.clover.com',
    ecommerce: 'https://scl.clover.com'
  }),
  europe: Object.freeze({
    name: 'europe',
    authorize: 'https://www.eu.clover.com',
    api: 'https://api.eu.clover.com',
    legacy: 'https://eu.clover.com'
  }),
  'latin-america': Object.freeze({
    name: 'latin-america',
    authorize: 'https://www.la.clover.com',
    api: 'https://api.la.clover.com',
    legacy: 'https://la.clover.com'
  })
})

const originNames = ['authorize', 'api', 'legacy', 'ecommerce'] as const

/** @internal Resolves the option `environment`. Origins are not checked here: see {@link originProblems}. */
export function resolveEnvironment (option: EnvironmentOption): Environment {
  if (typeof option === 'string') return { ...environments[option] }
  if (!('base' in option)) return { ...option }
  const { base, ...overrides } = option
  // An unset environment variable overrides nothing.
  return { ...environments[base], ...Object.fromEntries(Object.entries(overrides).filter(([, origin]) => origin !== undefined)) }
}

/** @internal The sentences for origins that are not https (plain http only for loopback) or not bare origins. */
export function originProblems (environment: Environment): string[] {
  return originNames.flatMap(name => {
    const origin = environment[name]
    return origin === undefined || isOrigin(origin)
      ? []
      : [`environment.${name} must be an https origin without a path, such as https://host (plain http is accepted only for localhost).`]
  })
}

function isOrigin (text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url !== undefined && isSecureUrl(url) && url.origin === text
}

/**
 * @internal Whether an environment has no real merchants: each of its origins is the sandbox's or on loopback, and its name is not that of a
 * production environment.
 */
export function isForTrials (environment: Environment): boolean {
  const sandbox: unknown[] = Object.values(environments.sandbox)
  return (environment.name === 'sandbox' || !Object.hasOwn(environments, environment.name)) && originNames.every(name => {
    const origin = environment[name]
    return origin === undefined || sandbox.includes(origin) || (URL.canParse(origin) && isLoopback(new URL(origin)))
  })
}

/** @internal Whether a URL is https, or http on a loopback host. */
export function isSecureUrl (url: URL): boolean {
  return url.protocol === 'https:' ||
    (url.protocol === 'http:' && isLoopback(url))
}

function isLoopback ({ hostname }: URL): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(hostname)
}
