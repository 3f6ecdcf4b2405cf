import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { BuildOptions } from 'esbuild'
import { bareNode, versionModule } from '../harness/bundle.js'

const main = 'src/cli/main.ts'

/** The command line in files that a process loads at once. */
export interface BundledCommand {
  /** Starts it. */
  command: string[]
  /** The same, but with `main.ts` as a source, so that its coverage counts: no test can load it into its own process. */
  counted: string[]
  /** The modules of an app, which share the command's sources: the plugin, the adapters, and what opens an SQLite file. */
  plugin: string
  storage: string
  sqlite: string
}

/**
 * Compiles the command line, with its packages, into a few files, and Fastify, for the apps below `folder`, into another. A process spends nine tenths
 * of its time on the search for several hundred files otherwise.
 */
export async function bundleCommand (folder: string): Promise<BundledCommand> {
  const { build } = await import('esbuild')
  const root = join(import.meta.dirname, '../..')
  const settings: BuildOptions = {
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: 'node20',
    logLevel: 'error',
    plugins: [{
      name: 'version',
      setup ({ onLoad }) {
        onLoad({ filter: /src[\\/]version\.ts$/ }, () => ({ contents: versionModule() }))
      }
    }]
  }
  const fastify = join(folder, 'node_modules/fastify')
  mkdirSync(fastify, { recursive: true })
  writeFileSync(join(fastify, 'package.json'), '{ "main": "index.cjs" }')
  const parts = ['src/runtime.ts', 'src/cli/run-command.ts', 'src/cli/stop.ts']
  const files = [main, 'src/plugin.ts', 'src/storage/index.ts', 'test/harness/sqlite.ts']
  await Promise.all([
    build({
      ...settings,
      entryPoints: [...files, ...parts],
      outdir: folder,
      outExtension: { '.js': '.mjs' },
      entryNames: '[name]',
      splitting: true,
      format: 'esm',
      // The native one looks for its code beside itself.
      external: ['fastify', '@photostructure/sqlite'],
      banner: { js: 'import { createRequire as requireBeside } from "node:module"; const require = requireBeside(import.meta.url);' }
    }),
    build({ ...settings, stdin: { contents: 'module.exports = require("fastify")', resolveDir: root }, outfile: join(fastify, 'index.cjs'), format: 'cjs' })
  ])
  const compiled = (file: string) => join(folder, `${basename(file, '.ts')}.mjs`)
  const [bundledMain = '', plugin = '', storage = '', sqlite = ''] = files.map(compiled)
  const redirection = join(folder, 'redirection.mjs')
  const places = Object.fromEntries(parts.map(file => [basename(file, '.ts'), pathToFileURL(compiled(file)).href]))
  writeFileSync(join(folder, 'resolver.mjs'), resolver(places))
  writeFileSync(redirection, "import { register } from 'node:module'\nregister('./resolver.mjs', import.meta.url)\n")
  return {
    command: [...bareNode, '--disable-warning=ExperimentalWarning', bundledMain],
    counted: [process.execPath, ...process.execArgv, '--import', redirection, main],
    plugin,
    storage,
    sqlite
  }
}

/** A hook for Node's modules that gives `main.ts` the bundled files in place of the sources that it imports. */
function resolver (places: Record<string, string>): string {
  return `
const places = ${JSON.stringify(places)}
export async function resolve (specifier, context, next) {
  const url = String(context.parentURL).endsWith('/${main}') ? places[/([\\w-]+)\\.js$/.exec(specifier)?.[1]] : undefined
  return url === undefined ? next(specifier, context) : { url, shortCircuit: true }
}`
}
