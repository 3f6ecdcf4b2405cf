import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '..')

/** The numbers in the names of the tests of a file: `(security 3)`, `(security 27, 32)`. */
function numbersOf (source: string): number[] {
  const names = source.matchAll(/^\s*(?:await )?t\.test\((['"`])(.*?[^\\])\1/gm)
  return [...names].flatMap(([, , name = '']) => [...name.matchAll(/\(security [^)]*\)/g)]).flatMap(([list]) => [...list.matchAll(/\d+/g)].map(Number))
}

/** The numbers of the statements. */
const all = Array.from({ length: 40 }, (_, index) => index + 1)

t.test('each statement about security has a test that is named after it', async t => {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.test.ts'))
  const proven = new Set(files.flatMap(name => numbersOf(readFileSync(join(root, name), 'utf8'))))
  t.same(all.filter(number => !proven.has(number)), [], 'statements without a test')
  t.same([...proven].filter(number => !all.includes(number)), [], 'tests of no statement')
})
