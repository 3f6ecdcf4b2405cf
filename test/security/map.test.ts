import { readdirSync, readFileSync } from 'node:fs'
import { join, normalize, sep } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '..')

/** The numbers in the names of the tests of a file: `(security 3)`, `(security 27, 32)`. */
function numbersOf (source: string): number[] {
  const names = source.matchAll(/^\s*(?:await )?t\.test\((['"`])(.*?[^\\])\1/gm)
  return [...names].flatMap(([, , name = '']) => [...name.matchAll(/\(security [^)]*\)/g)]).flatMap(([list]) => [...list.matchAll(/\d+/g)].map(Number))
}

/** The numbers of the statements. */
const all = Array.from({ length: 43 }, (_, index) => index + 1)

const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.test.ts'))
/** The numbers in each file. */
const proven = new Map(files.map(name => [name.split(sep).join('/'), new Set(numbersOf(readFileSync(join(root, name), 'utf8')))]))

t.test('each statement about security has a test that is named after it', async t => {
  const numbers = new Set([...proven.values()].flatMap(numbers => [...numbers]))
  t.same(all.filter(number => !numbers.has(number)), [], 'statements without a test')
  t.same([...numbers].filter(number => !all.includes(number)), [], 'tests of no statement')
})

t.test('the page with the statements lists the files that prove each', async t => {
  const page = readFileSync(join(root, 'security/README.md'), 'utf8')
  const rows = [...page.matchAll(/^\| (\d+) \| .* \| (.*) \|$/gm)].map(([, number, list = '']) => ({ number: Number(number), list }))
  t.same(rows.map(({ number }) => number), all)
  for (const { number, list } of rows) {
    const listed = [...list.matchAll(/\[`(.+?)`\]\((.+?)\)/g)].map(([, name = '', link = '']) => ({ name, link }))
    for (const { name, link } of listed) t.equal(normalize(join('security', link)).split(sep).join('/'), name)
    const right = [...proven].filter(([, numbers]) => numbers.has(number)).map(([name]) => name)
    t.same(listed.map(({ name }) => name).sort(), right.sort(), `statement ${number}`)
  }
})
