import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { BuildOptions } from 'esbuild'
import { bareNode, versionModule } from '../harness/bundle.js'

/** The command line in files that a process loads at once. */
export interface BundledCommand {
  /** Starts it. */
  command: string[]
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
  const settings: BuildOptions = {
    absWorkingDir: join(import.meta.dirname, '../..'),
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
  const files = ['src/cli/main.ts', 'src/plugin.ts', 'src/storage/index.ts', 'test/harness/sqlite.ts']
  await Promise.all([
    build({
      ...settings,
      entryPoints: files,
      outdir: folder,
      outExtension: { '.js': '.mjs' },
      entryNames: '[name]',
      splitting: true,
      format: 'esm',
      // The native one looks for its code beside itself.
      external: ['fastify', '@photostructure/sqlite'],
      banner: { js: 'import { createRequire as requireBeside } from "node:module"; const require = requireBeside(import.meta.url);' }
    }),
    build({ ...settings, stdin: { contents: 'module.exports = require("fastify")', resolveDir: settings.absWorkingDir }, outfile: join(fastify, 'index.cjs'), format: 'cjs' })
  ])
  const [main = '', plugin = '', storage = '', sqlite = ''] = files.map(file => join(folder, `${basename(file, '.ts')}.mjs`))
  return { command: [...bareNode, '--disable-warning=ExperimentalWarning', main], plugin, storage, sqlite }
}
