import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'

const tests = join(import.meta.dirname, '..')

/**
 * Runs the test files of some folders in this process, one after the other: to start a process and to load Fastify takes longer than most of
 * the files do themselves. Each file is a subtest, which it has in place of tap's root test (see `.config/typescript-hooks.mjs`).
 *
 * @param except names of files that need a process of their own
 * @param only names of the files that run here, if not all do
 */
export async function runTogether (folders: string[], except: string[] = [], only?: string[]): Promise<void> {
  const files = folders.flatMap(folder => readdirSync(join(tests, folder))
    .filter(name => name.endsWith('.test.ts') && !except.includes(name) && (only?.includes(name) ?? true)).sort().map(name => join(folder, name)))
  for (const file of files) {
    await t.test(join('test', file), { timeout: 0 }, async t => {
      Object.assign(globalThis, { testOfFile: t })
      await import(`${pathToFileURL(join(tests, file)).href}?together`)
    })
  }
}
