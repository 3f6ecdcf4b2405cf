import { readdir } from 'node:fs/promises'
import { join, sep } from 'node:path'
import t from 'tap'

t.test('every source file is loaded, so that the coverage counts them all', async t => {
  const files = (await readdir('src', { recursive: true })).filter(name => name.endsWith('.ts')).map(name => name.split(sep).join('/'))
  for (const file of files) t.type(await import(`../src/${file.replace(/\.ts$/, '.js')}`), 'object', file)
  t.ok(files.includes(join('index.ts')))
})
