import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

const hosts = fileURLToPath(new URL('../../example/hosts', import.meta.url))

/**
 * Makes JavaScript of hosts in TypeScript, without a look at their types: it starts in half the time. They use the package as it is built in `dist`.
 *
 * @param files names in example/hosts
 * @returns the path of each
 */
export async function compileHosts (t: Test, files: readonly string[]): Promise<string[]> {
  const { build } = await import('esbuild')
  const folder = t.testdir()
  await build({ entryPoints: files.map(file => join(hosts, file)), outdir: folder, outExtension: { '.js': '.mjs' }, format: 'esm', platform: 'node', target: 'node20', logLevel: 'error' })
  return files.map(file => join(folder, file.replace(/ts$/, 'mjs')))
}
