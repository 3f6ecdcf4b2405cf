import { readdirSync, readFileSync } from 'node:fs'
import { join, normalize } from 'node:path'
import t from 'tap'

/** What each source file imports from the sources. ESLint sees to the direction between the rooms. */
const imports = new Map(sources().map(file => [file, [...readFileSync(file, 'utf8').matchAll(/\b(?:from|import)\s*\(?\s*['"](\..*?)['"]/g)]
  .map(([, fileName = '']) => normalize(join(file, '..', fileName.replace(/\.js$/, '.ts'))))]))

t.test('no file of src imports itself by way of others', async t => {
  const done = new Set<string>()
  const visit = (file: string, path: string[]) => {
    if (path.includes(file)) t.fail([...path.slice(path.indexOf(file)), file].join(' -> '))
    if (path.includes(file) || done.has(file)) return
    for (const next of imports.get(file) ?? []) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of imports.keys()) visit(file, [])
  t.ok(imports.size > 100, `${imports.size} files`)
})

function sources (): string[] {
  return readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts')).map(name => join('src', name))
}
