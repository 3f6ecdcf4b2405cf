import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'
import t from 'tap'
import { anchorsOf, proseOf } from './documents.js'

/*
 * The links of all documents in this repository: each leads to a file that is there, and to a heading of it.
 */

const root = process.cwd()

/** Folders that hold what is installed or made. */
const others = new Set(['node_modules', 'dist', 'dist-docs', '.tap', '.git'])

async function documentsIn (folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const found = await Promise.all(entries.filter(({ name }) => !others.has(name)).map(async entry => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return documentsIn(path)
    return entry.isFile() && entry.name.endsWith('.md') ? [path] : []
  }))
  return found.flat()
}

/** The targets of a document's links that are no addresses on the web. */
function linksOf (prose: string): string[] {
  const text = prose.replace(/`[^`\n]*`/g, '')
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$/gm)].map(([, inline, reference]) => String(inline ?? reference))
  return targets.filter(target => !/^[a-z]+:/i.test(target))
}

/** Why a link of a document leads nowhere, or to one of several headings; undefined if it is right. */
async function problemOf (document: string, prose: string, target: string): Promise<string | undefined> {
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? document : resolve(document, '..', decodeURI(path))
  if (relative(root, file).split(sep)[0] === '..') return `${target} leads out of the repository`
  if (!existsSync(file)) return `${target} leads to no file`
  if (anchor === undefined) return undefined
  const headings = anchorsOf(path === '' ? prose : proseOf(await readFile(file, 'utf8'))).filter(heading => heading === anchor)
  if (headings.length === 1) return undefined
  return headings.length === 0 ? `${target} leads to no heading` : `${target} leads to one of ${headings.length} headings`
}

t.test('every link in a document leads to a file of the repository, and every anchor to one heading', async t => {
  const documents = await documentsIn(root)
  const names = documents.map(file => relative(root, file).split(sep).join('/'))
  for (const known of ['README.md', 'CHANGELOG.md', 'test/README.md', '.github/SECURITY.md']) t.ok(names.includes(known), known)
  for (const [index, document] of documents.entries()) {
    const prose = proseOf(await readFile(document, 'utf8'))
    const problems = await Promise.all(linksOf(prose).map(target => problemOf(document, prose, target)))
    t.same(problems.filter(problem => problem !== undefined), [], String(names[index]))
  }
})

t.test('a link that leads nowhere is found', async t => {
  const document = join(root, 'README.md')
  const text = '# One\n## Two `words`, [a link](LICENSE)\n# One\n```md\n# Code\n[code](nothing.md)\n```\n`[code](nothing.md)`\n' +
    '[file](LICENSE) [folder](test/) [heading](#two-words-a-link) [web](https://example.com/nothing.md#x) [mail](mailto:a@example.com)\n' +
    '[none](nothing.md) [no heading](#code) [two](#one) [out](../x.md) [other](CHANGELOG.md#nothing)\n[reference]: nothing-else.md\n'
  const prose = proseOf(text)
  const problems = await Promise.all(linksOf(prose).map(target => problemOf(document, prose, target)))
  t.same(problems.filter(problem => problem !== undefined), [
    'nothing.md leads to no file', '#code leads to no heading', '#one leads to one of 2 headings', '../x.md leads out of the repository',
    'CHANGELOG.md#nothing leads to no heading', 'nothing-else.md leads to no file'
  ])
})

/** A table's rows, by the text of their first cells. */
function firstCells (text: string): string[] {
  return [...text.matchAll(/^\| (.*?) \|/gm)].map(([, cell]) => String(cell))
}

t.test('the guide to the rules has every rule, every property and every field of a record', async t => {
  const { Installation } = await import('../../src/installation.js')
  const guide = await readFile('src/tokens/README.md', 'utf8')
  t.same([...guide.matchAll(/^\*\*(\d+)\. /gm)].map(([, number]) => Number(number)), Array.from({ length: 24 }, (_, index) => index + 1))
  const cells = firstCells(guide)
  const files = ['run-state', 'stepped-servers'].map(name => readFile(`test/faults/exploration/${name}.ts`, 'utf8'))
  const source = (await Promise.all(files)).join('')
  const cited = new Set([...source.matchAll(/violate\('([PR]\d+)'/g)].map(([, property]) => String(property)))
  t.ok(cited.size > 5)
  t.same([...cited].filter(property => !cells.includes(property)), [], 'properties that the exploration cites')
  const [, table = ''] = /^\| Field \|.*\n([^]*?)\n\n/m.exec(guide) ?? []
  const fields = firstCells(table).flatMap(cell => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => String(name)))
  t.same(fields.sort(), Object.keys(Installation.properties).sort())
})

t.test('the guide to the tests names every folder, and every variable that lengthens or repeats a test', async t => {
  const guide = await readFile('test/README.md', 'utf8')
  const entries = await readdir('test', { withFileTypes: true })
  for (const { name } of entries.filter(entry => entry.isDirectory())) t.match(guide, `](${name})`, name)
  const files = (await readdir('test', { recursive: true })).filter(name => name.endsWith('.ts') && !name.includes('node_modules'))
  const sources = await Promise.all(files.map(name => readFile(join('test', name), 'utf8')))
  const used = sources.flatMap(source => [...source.matchAll(/(?:process\.env\.|numberOf\(')((?:FASTIFY_CLOVER|FC|FLOOD)_\w+|\w+_URL)/g)].map(([, name]) => String(name)))
  const named = new Set(used.filter(name => !name.endsWith('_NEVER_SET')))
  t.ok(named.size > 10)
  for (const name of named) t.match(guide, `\`${name}\``, name)
})
