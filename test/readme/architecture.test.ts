import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { environments } from '../../src/environments.js'
import { guideTo, read, rowsOf } from './documents.js'

/*
 * The page about the sources: it knows every folder, and the files that it sends a reader to are there.
 */

const page = read('src/README.md')

const linksOf = (cell: string) => [...cell.matchAll(/\]\(([^)#]+)/g)].map(([, target]) => String(target))

t.test('the page has every room of src, and every file of src itself', async t => {
  const named = rowsOf(page, 'Room').flatMap(([room = '', holds = '']) => room.startsWith('files of') ? linksOf(holds) : linksOf(room))
  const entries = readdirSync('src').filter(name => !/^(?:README\.md|tsconfig\.json)$/.test(name))
  t.same(named.sort(), entries.sort())
})

t.test('the rooms are those of the linter, from the ground up', async t => {
  const [, list = ''] = /const rooms = \[\n([^]*?)\n\]\n/.exec(read('.config/eslint.js')) ?? []
  const levels = list.split('\n').map(level => [...level.matchAll(/'(\w+)'/g)].map(([, name]) => String(name)))
  const named = rowsOf(page, 'Room').flatMap(([room = '']) => linksOf(room))
  t.same(named, levels.slice(1).flat())
})

t.test('each change touches three files at most, all of which are there', async t => {
  const rows = rowsOf(page, 'To change')
  t.ok(rows.length >= 12)
  for (const [change = '', , files = ''] of rows) {
    const touched = linksOf(files.replace(/ or .*/, ''))
    t.ok(touched.length >= 1 && touched.length <= 3, change)
    for (const file of linksOf(files)) t.ok(existsSync(join('src', file)), `${change}: ${file}`)
  }
})

t.test('each name that the page gives in code beside a file is in the sources', async t => {
  const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts')).map(name => read(join('src', name))).join('\n')
  const [, told = ''] = /(## The way of a request[^]*)/.exec(page) ?? []
  const spoken = [...told.replace(/```mermaid[^]*?```/g, '').matchAll(/`(?:\w+\.)*#?(\w+)(?:\(\))?`/g)].map(([, name]) => String(name))
  const drawn = [...told.matchAll(/->>\w+: (?:.*? )?(\w+)\(/g), ...told.matchAll(/participant \w+ as (\w+)/g)].map(([, name]) => String(name))
  t.ok(spoken.length > 40 && drawn.length > 20, `${spoken.length} and ${drawn.length} names`)
  const persons = ['Browser', 'Handler', 'Clover']
  const missing = [...new Set([...spoken, ...drawn])].filter(name => !persons.includes(name) && !new RegExp(`\\b${name}\\b`).test(sources))
  t.same(missing, [])
})

t.test('the guide to routes has every environment with its origins, and the README its name', async t => {
  const rows = rowsOf(guideTo('routes'), '`environment`').map(cells => cells.map(cell => cell.replace(/[`']/g, '')))
  const hosts = (origins: string[]) => origins.map(origin => new URL(origin).host)
  t.same(rows, Object.values(environments).map(({ name, authorize, api, legacy }) => [name, ...hosts([authorize, api, legacy])]))
  const [, type = ''] = rowsOf(read('README.md'), 'Option').find(([option]) => option === '`environment`') ?? []
  t.same([...type.matchAll(/'([\w-]+)'/g)].map(([, name]) => name), Object.keys(environments))
})
