import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { isLong } from './share.js'

const tests = join(import.meta.dirname, '..')

/**
 * Runs the test files of some folders in this process, one after the other: to start a process and to load Fastify takes longer than most of
 * the files do themselves. Each file is a subtest, which it has in place of tap's root test (see `.config/typescript-hooks.mjs`). In `npm run test:long`
 * only the files run whose full share is another than their short one.
 *
 * @param except names of files that need a process of their own
 * @param only names of the files that run here, if not all do
 */
export async function runTogether (folders: string[], except: string[] = [], only?: string[]): Promise<void> {
  const files = folders.flatMap(folder => readdirSync(join(tests, folder))
    .filter(name => name.endsWith('.test.ts') && !except.includes(name) && (only?.includes(name) ?? true)).sort().map(name => join(folder, name)))
    .filter(file => !isLong || hasShares(join(tests, file)))
  if (files.length === 0) t.pass('none of these has a full share')
  for (const file of files) {
    await t.test(join('test', file), { timeout: 0 }, async t => {
      Object.assign(globalThis, { testOfFile: t })
      await import(`${pathToFileURL(join(tests, file)).href}?together`)
    })
  }
}

const known = new Map<string, boolean>()

/** Whether a file of the tests has a short and a full share: it imports `share.ts`, or a file that does. */
export function hasShares (file: string): boolean {
  const found = known.get(file)
  if (found !== undefined) return found
  known.set(file, false) // until it is known: two files may import each other
  const imports = [...readFileSync(file, 'utf8').matchAll(/ from '(\.[^']+)\.js'/g)].map(([, path]) => join(file, '..', `${path}.ts`))
  const has = imports.some(path => path === join(import.meta.dirname, 'share.ts') || (path.startsWith(tests) && path !== import.meta.filename && existsSync(path) && hasShares(path)))
  known.set(file, has)
  return has
}
