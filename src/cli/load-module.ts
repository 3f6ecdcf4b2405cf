import { stat } from 'node:fs/promises'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { FastifyPluginCallback, FastifyServerOptions } from 'fastify'
import { failed, UsageError } from './usage-error.js'

/** @internal What the module of an app exports. */
export interface AppModule {
  /** The module's absolute path. */
  path: string
  plugin: FastifyPluginCallback
  /** The options of the Fastify instance; `{}` if the module exports none. */
  options: FastifyServerOptions
}

const expected = 'export a function (fastify, options) that registers fastify-clover, by default or as module.exports, as fastify-cli expects, and call listen() in another file'

/**
 * @internal Imports a module that exports a Fastify plugin as `fastify-cli` expects it: ESM, CommonJS, or TypeScript where Node can load it.
 *
 * @throws UsageError if the file is missing, throws, or exports no plugin
 */
export async function loadModule (file: string): Promise<AppModule> {
  const path = resolve(file)
  const found = await stat(path).catch(() => undefined)
  if (!found?.isFile()) throw new UsageError(`${file} is no file: name the module that exports the app.`)
  const { plugin, options } = exportsOf(await importFile(file, path))
  if (isInstance(plugin)) throw new UsageError(`${file} exports a Fastify instance: ${expected}.`)
  if (!isPlugin(plugin)) throw new UsageError(`${file} exports no plugin: ${expected}.`)
  return { path, plugin, options: Object(options) as FastifyServerOptions }
}

async function importFile (file: string, path: string): Promise<Exports> {
  try {
    return await import(pathToFileURL(path).href) as Exports
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_UNKNOWN_FILE_EXTENSION') {
      throw new UsageError(`${file} cannot be loaded, since this Node does not know ${extname(path)}: for TypeScript install tsx and set NODE_OPTIONS="--import tsx".`)
    }
    throw failed(`${file} cannot be loaded`, error)
  }
}

interface Exports {
  default?: unknown
  options?: unknown
}

function exportsOf (module: Exports): { plugin: unknown, options: unknown } {
  // Of CommonJS the default export is module.exports, and what was compiled to it from an ES module has its own default there.
  const main = Object(module.default) as Exports
  const inner = typeof main === 'object' && 'default' in main
  return { plugin: inner ? main.default : module.default, options: module.options ?? main.options }
}

const isPlugin = (value: unknown): value is FastifyPluginCallback => typeof value === 'function'

function isInstance (value: unknown): boolean {
  const { listen, register } = Object(value) as Record<string, unknown>
  return typeof listen === 'function' && typeof register === 'function'
}
