import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import t from 'tap'

t.test('every source file is loaded, so that the coverage counts them all', async t => {
  const files = (await readdir('src', { recursive: true })).filter(name => name.endsWith('.ts')).map(name => name.split(sep).join('/'))
  // The command line runs when it is loaded: test/cli starts it.
  for (const file of files.filter(file => file !== 'cli/main.ts')) await import(`../src/${file.replace(/\.ts$/, '.js')}`)
  t.ok(files.includes(join('index.ts')))
})

t.test('every test file is run, by itself or together with those of its folder', async t => {
  const { tap: { include } } = JSON.parse(await readFile('package.json', 'utf8')) as { tap: { include: string[] } }
  const together = await Promise.all((await readdir('test/together')).map(name => readFile(join('test/together', name), 'utf8')))
  const folders = together.flatMap(text => [...(/\[(.*?)\]/.exec(text)?.[1] ?? '').matchAll(/'([\w.-]+)'/g)].map(([, folder]) => join('test', String(folder))))
  const patterns = include.flatMap(pattern => expand(pattern)).map(pattern => new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`))
  const files = (await readdir('test', { recursive: true })).filter(name => name.endsWith('.test.ts') && !name.includes('node_modules')).map(name => join('test', name))
  t.ok(files.length > 100)
  t.same(files.filter(file => !folders.includes(dirname(file)) && !patterns.some(pattern => pattern.test(file.split(sep).join('/')))), [])
})

/** A pattern with one choice in braces, as patterns without any. */
function expand (pattern: string): string[] {
  const [, before = '', choice = '', after = ''] = /^(.*)\{(.*)\}(.*)$/.exec(pattern) ?? [undefined, pattern, '', '']
  return choice.split(',').map(part => `${before}${part}${after}`)
}
