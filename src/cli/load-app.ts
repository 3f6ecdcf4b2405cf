import { createRequire } from 'node:module'
import type { fastify, FastifyInstance, FastifyServerOptions } from 'fastify'
import { isPlainObject } from '../checks/wrong-fields.js'
import type { Timing } from '../concurrency/deadline.js'
import type { Clover } from '../decorator.js'
import { kCommand, type LoadedByCommand } from '../plugin.js'
import { closeApp } from './close-app.js'
import type { Output } from './io.js'
import { loadModule } from './load-module.js'
import { plain } from './plain.js'
import { failed, UsageError } from './usage-error.js'

/** @internal How the module of an app is loaded. */
export interface LoadOptions {
  /** The prefix of the scope of one registration, such as `/eu`; `/` is an app's own scope. Default: the only registration. */
  scope?: string | undefined
  /** Where the app's log goes, unless the app sends it elsewhere. Default: stderr. */
  log?: Output
  /** The timers of the deadline of a close. Default: real ones. */
  timing?: Timing | undefined
}

/** @internal An app that is ready and does not listen. Whoever loads it calls `close()`. */
export interface LoadedApp {
  app: FastifyInstance
  /** The scope that fastify-clover is registered in. */
  scope: FastifyInstance
  clover: Clover
  /** Closes the app. A hook that does not end is left, with a sentence in the log. @throws the error of a close that fails */
  close (): Promise<void>
}

/**
 * @internal Loads the module of an app, registers the plugin that it exports, and finds the registration of fastify-clover.
 *
 * @throws UsageError if the app cannot be used or does not start; it is closed then
 */
export async function loadApp (file: string, { scope, log = process.stderr, timing }: LoadOptions = {}): Promise<LoadedApp> {
  const { path, plugin, options } = await loadModule(file)
  const command: LoadedByCommand = { longestShutdown: 0 }
  const close = (app: FastifyInstance) => closeApp(app, command, seconds => {
    log.write(`fastify-clover: ${plain(file)} is not closed after ${seconds} seconds, since a hook onClose or preClose does not end: it is left as it is.\n`)
  }, timing)
  let app: FastifyInstance | undefined
  try {
    const made = app = fastifyBeside(path)(withLog(options, log))
    app.decorate(kCommand, command)
    const scopes = [app]
    app.addHook('onRegister', scope => { scopes.push(scope) })
    // Each scope inherits it. It throws at once, before the app's own handling of a failed start could end the process.
    Object.assign(app, { listen () { throw new UsageError(`${file} calls listen(): move that into another file, since a command must not open the app's port.`) } })
    await app.register(plugin)
    await app.ready()
    const found = choose(file, registrations(scopes), scope)
    return { app, scope: found, clover: found.clover, close: () => close(made) }
  } catch (error) {
    if (app) await close(app).catch(() => {})
    throw error instanceof UsageError ? error : failed(`${file} does not start`, error)
  }
}

/** The app's own copy of Fastify, or the one beside this package. */
function fastifyBeside (path: string): typeof fastify {
  const own = createRequire(import.meta.url)
  let place = 'fastify'
  try {
    place = createRequire(path).resolve(place)
  } catch {
    // An app outside of any project: it has imported fastify-clover by its path.
  }
  return own(place)
}

/** Keeps the app's log away from stdout, which has the command's output. An app without a setting logs warnings and errors only. */
function withLog (options: FastifyServerOptions, stream: Output): FastifyServerOptions {
  const { logger = { level: 'warn' } } = options
  if (options.loggerInstance !== undefined) return options
  if (logger === true) return { ...options, logger: { stream } }
  return isPlainObject(logger) && !['stream', 'file', 'transport'].some(name => name in logger) ? { ...options, logger: { ...logger, stream } } : options
}

/** The outermost scope of each registration. A scope inherits the decorator from the one around it, which comes before it. */
function registrations (scopes: FastifyInstance[]): FastifyInstance[] {
  const found = new Map<Clover, FastifyInstance>()
  for (const scope of scopes) if (scope.hasDecorator('clover') && !found.has(scope.clover)) found.set(scope.clover, scope)
  return [...found.values()]
}

const prefixOf = (scope: FastifyInstance) => scope.prefix.replace(/\/$/, '') || '/'

function choose (file: string, found: FastifyInstance[], prefix: string | undefined): FastifyInstance {
  const all = found.map(prefixOf).join(' and ')
  const [first] = found
  if (first === undefined) throw new UsageError(`${file} does not register fastify-clover: the plugin that it exports must do so, directly or in a plugin that it registers.`)
  if (prefix === undefined && found.length > 1) {
    throw new UsageError(`${file} registers fastify-clover ${found.length} times, in the scopes ${all}: choose one, such as --scope ${prefixOf(first)}.`)
  }
  const [chosen, another] = found.filter(scope => prefix === undefined || prefixOf(scope) === (prefix.replace(/\/$/, '') || '/'))
  if (chosen === undefined) throw new UsageError(`${file} does not register fastify-clover in the scope ${String(prefix)}, but in ${all}.`)
  if (another !== undefined) throw new UsageError(`${file} registers fastify-clover more than once in the scope ${prefixOf(chosen)}: give each registration a scope with a prefix of its own.`)
  return chosen
}
