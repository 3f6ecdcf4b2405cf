import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import t from 'tap'
import { hasShares } from './harness/together.js'

t.test('every source file is loaded, so that the coverage counts them all', async t => {
  const files = (await readdir('src', { recursive: true })).filter(name => name.endsWith('.ts')).map(name => name.split(sep).join('/'))
  // The command line runs when it is loaded: test/cli starts it.
  for (const file of files.filter(file => file !== 'cli/main.ts')) await import(`../src/${file.replace(/\.ts$/, '.js')}`)
  t.ok(files.includes(join('index.ts')))
})

interface Manifest { scripts: Record<string, string>, tap: { include: string[] } }

const { scripts, tap: { include } } = JSON.parse(await readFile('package.json', 'utf8')) as Manifest
const groups = await Promise.all((await readdir('test/together')).map(name => readFile(join('test/together', name), 'utf8')))
/** The folders whose files run together. */
const together = groups.flatMap(text => [...(/\[(.*?)\]/.exec(text)?.[1] ?? '').matchAll(/'([\w.-]+)'/g)].map(([, folder]) => join('test', String(folder))))
const files = (await readdir('test', { recursive: true })).filter(name => name.endsWith('.test.ts') && !name.includes('node_modules')).map(name => join('test', name))

t.test('every test file is run, by itself or together with those of its folder', async t => {
  const patterns = [...include, ...String(scripts['test:long']).split(' ')].flatMap(pattern => expand(pattern)).map(pattern => new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`))
  t.ok(files.length > 100)
  t.same(files.filter(file => !together.includes(dirname(file)) && !patterns.some(pattern => pattern.test(file.split(sep).join('/')))), [])
})

t.test('a test file that has a short share and a full one is in npm run test:long', async t => {
  const both = files.filter(file => hasShares(resolve(file)) && dirname(file) !== join('test', 'together'))
  t.ok(both.includes(join('test', 'faults', 'random-kills.test.ts')) && both.includes(join('test', 'security', 'fuzz.test.ts')), 'by itself, and by what it imports')
  t.notOk(hasShares(resolve('test/coverage.test.ts')))
  t.match(scripts['test:long'], 'test/together/*.test.ts')
  t.same(both.filter(file => !together.includes(dirname(file)) && !scripts['test:long']?.includes(file)), [])
})

/** A pattern with one choice in braces, as patterns without any. */
function expand (pattern: string): string[] {
  const [, before = '', choice = '', after = ''] = /^(.*)\{(.*)\}(.*)$/.exec(pattern) ?? [undefined, pattern, '', '']
  return choice.split(',').map(part => `${before}${part}${after}`)
}
