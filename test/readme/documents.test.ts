import { existsSync } from 'node:fs'
import { OptionalKind } from '@sinclair/typebox'
import Fastify from 'fastify'
import t from 'tap'
import clover from '../../src/index.js'
import { doctor } from '../../src/cli/doctor.js'
import { keepAlive } from '../../src/cli/keep-alive.js'
import { migrate } from '../../src/cli/migrate.js'
import { status } from '../../src/cli/status.js'
import { environmentNames } from '../../src/environments.js'
import { errorCodes } from '../../src/errors.js'
import { DueOutcome } from '../../src/jobs/due-options.js'
import { KeepAlivePass, KeepAliveSchedule, KeepAliveSummary } from '../../src/jobs/keep-alive-options.js'
import { MigrationData, MigrationOutcome } from '../../src/jobs/migration-options.js'
import { CloverSummary } from '../../src/operations/summary.js'
import { CloverDataOptions } from '../../src/options/options.js'
import * as storage from '../../src/storage/index.js'
import { DataOptions } from '../../src/testing/simulator/options.js'
import { eventTable } from '../../src/events/table.js'
import { Installation } from '../../src/installation.js'
import { anchorsOf, guided, guideTo, namesOf, proseOf, read, rowsOf } from './documents.js'

/*
 * The README and the guides: their code is that of files which are run or type-checked, and their tables are complete.
 */

const readme = read('README.md')

/** Blocks of TypeScript and JavaScript, with the file that each is a copy of. */
function blocksOf (text: string): Array<{ file: string | undefined, code: string }> {
  return [...text.matchAll(/(?:<!-- (\S+) -->\n)?```(?:ts|js)\n([^]*?)```\n/g)].map(([, file, code = '']) => ({ file, code }))
}

const linesOf = (code: string) => code.split('\n').map(line => line.trim()).filter(line => line !== '')

/** Whether a file has a block's imports, and the rest of it in one piece, however it is indented. */
function holds (file: string, code: string): boolean {
  const isImport = (line: string) => line.startsWith('import ')
  const [has, wanted] = [linesOf(file), linesOf(code)]
  const body = wanted.filter(line => !isImport(line)).join('\n')
  return body !== '' && `\n${has.join('\n')}\n`.includes(`\n${body}\n`) && wanted.filter(isImport).every(line => has.includes(line))
}

t.test('the README is short: 350 lines at most, and 140 characters in a line of prose', async t => {
  const lines = readme.trimEnd().split('\n')
  t.ok(lines.length <= 350, `${lines.length} lines: details belong in the guide beside the code`)
  const prose = proseOf(readme).split('\n').filter(line => !line.startsWith('|'))
  t.same(prose.filter(line => line.length > 140), [])
})

t.test('the README leads to each guide', async t => {
  t.same(guided, ['api', 'events', 'jobs', 'operations', 'routes', 'storage', 'testing', 'tokens'])
  const linked = rowsOf(readme, 'Guide').map(([cell = '']) => /\]\((.*)\)/.exec(cell)?.[1])
  t.same(linked, [...['routes', 'api', 'storage', 'jobs', 'operations', 'events', 'testing', 'tokens'].map(folder => `src/${folder}/README.md`), 'example/README.md', 'CHANGELOG.md'])
})

t.test('each guide says what it is for, and no two of its headings share an anchor', async t => {
  for (const path of ['README.md', ...guided.map(folder => `src/${folder}/README.md`), 'example/README.md']) {
    const text = read(path)
    if (path !== 'README.md') t.match(text, /^# .+\n\nThis guide /, path)
    const anchors = anchorsOf(proseOf(text))
    t.same(anchors.filter((anchor, index) => anchors.indexOf(anchor) !== index), [], path)
  }
})

t.test('a block with a file\'s name above it is that file, and any other is part of the file of its guide', async t => {
  const [whole, parts]: [string[], string[]] = [[], []]
  for (const [document, fragments] of [['README.md', undefined], ...guided.map(folder => [`src/${folder}/README.md`, `test/readme/fragments/${folder}.ts`] as const)] as const) {
    const pieces = fragments !== undefined && existsSync(fragments) ? read(fragments) : ''
    for (const { file, code } of blocksOf(read(document))) {
      if (file === undefined) t.ok(holds(pieces, code), `${document}:\n${code}`)
      else t.equal(code, read(file), file);
      (file === undefined ? parts : whole).push(document)
    }
  }
  t.equal(whole.length, 13)
  t.ok(parts.length >= 15)
  t.notOk(holds('const a = 1\nconst b = 2\n', 'const b = 3\n'))
  t.notOk(holds('const b = 2\n', 'import a from \'a\'\nconst b = 2\n'))
})

t.test('the README names every option, every error, every route and every member of request.clover', async t => {
  const functions = ['storage', 'routes', 'onConnect', 'onError', 'onReauthorizationRequired', 'onReconnected', 'onDisconnect', 'onEvent']
  t.same(namesOf(readme, 'Option').sort(), [...Object.keys(CloverDataOptions.properties), ...functions].sort())
  t.same(namesOf(readme, 'Code').sort(), Object.keys(errorCodes).sort())
  const entries = ['launch', 'callback', 'refresh', 'status', 'webhook']
  t.same(namesOf(readme, 'Entry'), entries)
  t.same(namesOf(guideTo('routes'), 'Entry'), entries)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(clover, { environment: 'sandbox', appId: 'APP', appSecret: 'secret', storage: storage.memoryStorage(), routes: false })
  await app.ready()
  t.same(namesOf(readme, 'Member').sort(), Object.keys(app.clover).sort())
})

t.test('the README has the default of every option that has one value, and its server the name of every region', async t => {
  const shown = new Map(rowsOf(readme, 'Option').map(([option = '', , cell = '']) => [option.replaceAll('`', ''), cell.replace(/[`']/g, '').replace(/(?<=\d) (?=\d)/g, '')]))
  const fields: Array<[name: string, field: { default?: unknown }]> = Object.entries(CloverDataOptions.properties)
  const defaults = fields.filter(([, field]) => 'default' in field)
  t.ok(defaults.length > 5)
  for (const [name, field] of defaults) t.equal(shown.get(name), String(field.default), name)
  const names = environmentNames.map(name => `'${name}'`)
  const [, inServer] = /environment: simulator\.environment, \/\/ (.*)/.exec(readme) ?? []
  t.same(inServer?.match(/'[a-z-]+'/g), names)
})

t.test('the README names every adapter, and the guide to storage all but the one that wraps another', async t => {
  const adapters = Object.keys(storage).filter(name => name.endsWith('Storage')).sort()
  const named = (text: string, column: string) =>
    [...new Set(rowsOf(text, column).flatMap(cells => [...cells.slice(0, 2).join(' ').matchAll(/`(\w+Storage)\(/g)].map(([, name]) => name)))].sort()
  t.same(named(readme, 'Adapter'), adapters)
  t.same(named(guideTo('storage'), 'You have'), adapters.filter(name => name !== 'encryptedStorage'))
})

t.test('the guide to storage names every field of a record', async t => {
  t.same(namesOf(guideTo('storage'), 'Field').sort(), Object.entries(Installation.properties).map(([name, field]) => OptionalKind in field ? `${name}?` : name).sort())
})

t.test('the guide to testing names every option of the simulator', async t => {
  t.same(namesOf(guideTo('testing'), 'Option of `cloverSimulator`').sort(), [...Object.keys(DataOptions.properties), 'latency', 'now', 'random'].sort())
})

t.test('the guide to jobs names every option, number and outcome of keep-alive and of the migration', async t => {
  const guide = guideTo('jobs')
  t.same(namesOf(guide, 'Field of the option `keepAlive`').sort(), Object.keys(KeepAliveSchedule.properties).sort())
  t.same(namesOf(guide, 'Member of the summary'), Object.keys(KeepAliveSummary.properties))
  t.same(namesOf(guide, 'Option').sort(), [...Object.keys(MigrationData.properties), 'signal', 'onProgress'].sort())
  t.same(rowsOf(guide, 'Outcome').map(([cell]) => cell), MigrationOutcome.anyOf.map(({ properties }) => `\`'${properties.outcome.const}'\``))
  t.same(rowsOf(guide, 'Outcome of `refreshIfDue`').map(([cell]) => cell), DueOutcome.anyOf.map(({ const: outcome }) => `\`'${outcome}'\``))
})

t.test('the guide to operations names every number of a summary', async t => {
  t.same(namesOf(guideTo('operations'), 'Member of the summary'), Object.keys(CloverSummary.properties))
})

t.test('the guides to jobs and operations name every option of the commands, and those say what the guides say', async t => {
  const guide = guideTo('jobs')
  const flags = (text: string) => [...new Set([...text.matchAll(/--[a-z]+/g)].map(([flag]) => flag))].sort()
  for (const [name, { usage }] of Object.entries({ 'keep-alive': keepAlive, migrate })) {
    t.same(flags(rowsOf(guide, `Flag of \`${name}\``).map(([cell]) => cell).join()), flags(usage), name)
  }
  const named = flags(guide + guideTo('operations'))
  for (const [name, { usage }] of Object.entries({ status, doctor })) t.same(flags(usage).filter(flag => !named.includes(flag)), [], name)
  for (const { default: number } of [KeepAlivePass.properties.within, KeepAlivePass.properties.rate, KeepAlivePass.properties.concurrency]) t.match(keepAlive.usage, `default ${number}`)
  for (const { default: number } of [MigrationData.properties.rate, MigrationData.properties.concurrency]) t.match(migrate.usage, `default ${number}`)
})

t.test('the guide to events has each event with its channel, its log level and its fields', async t => {
  const rows = rowsOf(guideTo('events'), 'Channel').map(cells => cells.slice(0, 3).join(' | '))
  t.same(rows.sort(), Object.entries(eventTable).map(([type, [level, , fields]]) => {
    const names = Object.entries(fields).map(([name, field]) => `\`${name}${OptionalKind in field ? '?' : ''}\``)
    return `\`fastify-clover:${type}\` | \`${level}\` | ${names.join(', ')}`
  }).sort())
})

t.test('the list of dependencies is complete', async t => {
  const { dependencies } = JSON.parse(read('package.json'))
  const named = rowsOf(read('.github/CONTRIBUTING.md'), 'Package').flatMap(([cell = '']) => cell.match(/[^`, ]+/g))
  t.same(named.sort(), Object.keys(dependencies).sort())
})
