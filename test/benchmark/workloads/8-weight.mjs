import { cp, lstat, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { appId, longToken, merchantOf, recordOf } from '../harness/host.mjs'
import { install, npm, pack, startInTurns } from '../harness/installed.mjs'
import { number, ratioText } from '../harness/report.mjs'
import { median, medianWithInterval } from '../harness/statistics.mjs'
import { makeStore } from '../harness/stores.mjs'
import { versionOf } from '../peers/index.mjs'

const root = join(import.meta.dirname, '../../..')
const own = 'fastify-clover'
const peer = '@fastify/oauth2'
/** What the note allows: import and cold start over those of the other. */
const mostTimes = 1.5

/** What is run in a fresh process: Fastify is loaded before, since every host has it. */
const script = (name, options) => `
  import Fastify from 'fastify'
  Fastify()
  const before = process.cpuUsage()
  const a = performance.now()
  const { default: plugin, ...rest } = await import('${name}')
  ${name === peer ? '' : "const { memoryStorage } = await import('fastify-clover/storage')"}
  const b = performance.now()
  const { user, system } = process.cpuUsage(before)
  const app = Fastify()
  await app.register(plugin, ${options})
  await app.ready()
  const c = performance.now()
  console.log(JSON.stringify({ load: b - a, register: c - b, both: c - a, processor: (user + system) / 1000 }))
  process.exit()
`
const scripts = {
  [own]: script(own, `{
    environment: 'sandbox', appId: 'ABCDEFGHJKLMN', appSecret: 'a secret', storage: memoryStorage(), cookieSecret: 'x'.repeat(32), baseUrl: 'https://shop.example', routes: { refresh: false }
  }`),
  [peer]: script(peer, `{
    name: 'clover', startRedirectPath: '/clover/launch', callbackUri: 'https://shop.example/clover/callback',
    credentials: { client: { id: 'ABCDEFGHJKLMN', secret: 'a secret' }, auth: { authorizeHost: 'https://sandbox.dev.clover.com', authorizePath: '/oauth/v2/authorize', tokenHost: 'https://apisandbox.dev.clover.com', tokenPath: '/oauth/v2/token' } }
  }`)
}

/** TypeBox with its own modules, of which the package has the used part in one. */
const typebox = `
  import Fastify from 'fastify'
  Fastify()
  const before = process.cpuUsage()
  const a = performance.now()
  await import('@sinclair/typebox')
  await import('@sinclair/typebox/value')
  await import('@sinclair/typebox/compiler')
  const { user, system } = process.cpuUsage(before)
  console.log(JSON.stringify({ load: performance.now() - a, processor: (user + system) / 1000 }))
`

/** What the package weighs, against the plugin of Fastify for OAuth; and how soon a process has its first token. */
export async function run ({ quick, rounds, progress }) {
  if (quick) return { title, targets: [{ target: 'bytes, packages, import, first token', value: 'a quick run installs nothing' }] }
  const folder = await mkdtemp(join(tmpdir(), 'clover-benchmark-'))
  try {
    const tarball = await pack(root, folder)
    const starts = Math.max(15, rounds)
    const weight = await weigh(folder, tarball, starts, progress)
    const cold = await startCold(folder, tarball, starts, progress)
    return {
      title,
      setup: [...weight.setup, cold.setup],
      tables: [...weight.tables, cold.table],
      targets: [...weight.targets, ...cold.targets],
      unfair: [
        `\`${peer}\` has the flow alone: no store, no refreshing, no schemas, no simulator. The package counted here has all of these.`,
        'The host by hand has no routes for the authorization, and checks neither options nor records. It would lose merchants: it has no lease, and refreshes twice at once.'
      ],
      tried
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function weigh (folder, tarball, starts, progress) {
  const installed = {}
  for (const [name, packages] of Object.entries({ fastify: [], [own]: [tarball], [peer]: [`${peer}@${versionOf(peer) ?? 'latest'}`] })) {
    const home = await install(join(folder, name.replace('/', '-')), ['fastify@5', ...packages])
    installed[name] = { home, packages: await packagesIn(home), bytes: await bytesIn(join(home, 'node_modules')) }
    if (name in scripts) await writeFile(join(home, 'start.mjs'), scripts[name])
  }
  await writeFile(join(installed[own].home, 'typebox.mjs'), typebox)
  const times = await startInTurns({
    [own]: { home: installed[own].home, file: 'start.mjs' },
    [peer]: { home: installed[peer].home, file: 'start.mjs' },
    typebox: { home: installed[own].home, file: 'typebox.mjs' }
  }, starts, progress)

  const { packages, bytes } = installed.fastify
  const of = (name, what) => times[name].map(time => time[what])
  const ratioOf = what => medianWithInterval(of(own, what).map((value, i) => value / of(peer, what)[i]))
  const beyond = name => ({ packages: installed[name].packages.filter(entry => !packages.includes(entry)), bytes: installed[name].bytes.total - bytes.total })
  const [ours, theirs] = [beyond(own), beyond(peer)]
  const heaviest = name => Object.entries(installed[name].bytes.each).filter(([entry]) => !packages.includes(entry)).sort((a, b) => b[1] - a[1]).slice(0, 6).map(([entry, size]) => `${entry} ${kilobytes(size)}`).join(', ')
  const parts = await bytesByKind(join(installed[own].home, 'node_modules', own))
  return {
    setup: [
      `The package as \`npm pack\` makes it, and \`${peer}\`, each installed with \`fastify@5\` into an empty folder; what \`fastify\` alone brings is taken off. Times are of ${starts} fresh processes each, in turn, in which Fastify is loaded already: \`import\` (for ${own} also \`${own}/storage\`), and \`register\` with \`ready\`.`
    ],
    tables: [
      {
        columns: ['', own, `\`${peer}\``, 'Ratio, with its interval of 95 %'],
        rows: [
          ...[['load', 'Import, median'], ['processor', 'Import, processor time, median'], ['register', 'Registration, median'], ['both', 'Both']].map(([what, label]) => [label, `${number(median(of(own, what)))} ms`, `${number(median(of(peer, what)))} ms`, ratioText(ratioOf(what))]),
          ['To compare: all of TypeBox, in its own modules', `${number(median(of('typebox', 'load')))} ms, ${number(median(of('typebox', 'processor')))} ms of the processor`, '–', '–'],
          ['Packages beside Fastify\'s', ours.packages.length, theirs.packages.length, number(ours.packages.length / theirs.packages.length)],
          ['Bytes beside Fastify\'s', kilobytes(ours.bytes), kilobytes(theirs.bytes), number(ours.bytes / theirs.bytes)]
        ]
      },
      { caption: 'The heaviest packages', columns: ['', ''], rows: [[own, heaviest(own)], [`\`${peer}\``, heaviest(peer)]] },
      { caption: `What ${own} itself has`, columns: Object.keys(parts), rows: [Object.values(parts).map(kilobytes)] }
    ],
    targets: [
      ...[['load', 'import'], ['processor', 'import, by processor time']].map(([what, label]) => ({ target: `${label}: at most ${mostTimes} times \`${peer}\``, ...within(ratioOf(what)) })),
      { target: `registration: not more than \`${peer}\``, ...within(ratioOf('register'), 1) },
      { target: 'packages: not more', value: `${ours.packages.length} against ${theirs.packages.length}`, reached: ours.packages.length <= theirs.packages.length },
      { target: 'bytes: not more', value: `${kilobytes(ours.bytes)} against ${kilobytes(theirs.bytes)}`, reached: ours.bytes <= theirs.bytes }
    ]
  }
}

/** How soon a process hands out its first token, with the plugin and by hand, on each database that is there. */
async function startCold (folder, tarball, starts, progress) {
  const { devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const home = await install(join(folder, 'cold'), ['fastify@5', tarball, ...['pg', '@photostructure/sqlite'].map(name => `${name}@${devDependencies[name]}`)])
  const merchantId = merchantOf(1)
  const rows = []
  const targets = []
  await cp(join(import.meta.dirname, '../cold'), home, { recursive: true })
  for (const [kind, name] of [['sqlite', 'SQLite'], ['postgres', 'PostgreSQL']]) {
    const store = await makeStore(kind)
    const target = `${name}: first token within ${mostTimes} times the host by hand`
    if (store === undefined) {
      targets.push({ target, value: 'no server' })
      continue
    }
    try {
      await store.storage.put(recordOf({ merchantId, environment: 'sandbox', accessToken: longToken(1), refreshToken: longToken(2) }), undefined)
      const args = [kind, store.place.address, store.place.table, merchantId, appId]
      const times = await startInTurns({ plugin: { home, file: 'with-plugin.mjs', args }, hand: { home, file: 'by-hand.mjs', args }, nothing: { home, file: 'nothing.mjs' } }, starts, progress)
      const of = (kind, what) => times[kind].map((time, i) => time[what] - (what === 'processor' ? times.nothing[i].processor : 0))
      for (const [what, label] of [['time', ''], ['processor', ', processor time']]) {
        const ratio = medianWithInterval(of('plugin', what).map((value, i) => value / of('hand', what)[i]))
        rows.push([`${name}${label}`, `${number(median(of('plugin', what)))} ms`, `${number(median(of('hand', what)))} ms`, ratioText(ratio)])
        targets.push({ target: target + label, ...within(ratio) })
      }
    } finally {
      await store.close()
    }
  }
  return {
    setup: `The first token of a cold process: it imports Fastify, the client of the database and the package as installed, registers the plugin with its routes, waits for \`ready()\`, and has \`accessToken()\` of one stored merchant. Beside it a host of about twenty lines, written by hand for the same table. ${starts} processes each, in turn. Time from the end of Node's own start; from the processor time that of a process with nothing in it is taken off.`,
    table: { caption: 'The first token of a cold process', columns: ['', own, 'by hand', 'Ratio, with its interval of 95 %'], rows },
    targets
  }
}

const within = (ratio, most = mostTimes) => ({ value: ratioText(ratio), reached: ratio.median <= most, isCertain: ratio.high <= most || ratio.low > most })

/** Ratios of processor time to that of the peer's import, in one run each; bytes of the package as it was then. */
const tried = [
  'Import, one file for each source, TypeBox in its own modules: 3.1. The own sources in a few modules: 1.9. TypeBox by `require()`, which has fewer steps for each file than `import`: 1.8. The used part of TypeBox in one module: 0.78, which is what is published.',
  'The own modules with short names and no white space: 0.72, so it does not pay. It would save 264 kB of 613 (another 0.10 of the bytes), but stack traces would name nothing; with white space removed only, 137 kB, but a trace would point into lines of a thousand characters. Names and lines stay.',
  'The limit of the bytes: 2,077 kB of the 2,647 are TypeBox (1,908), `@fastify/cookie`, `fastify-plugin` and the type provider. The other 570 kB are to hold the types with their comments (196), the README, the guides and the changelog (180), and all the code. Short names, no guides and no `@fastify/cookie` together would end at 1.01.',
  '`lru-cache` against `toad-cache`, processor time of one read: 27 against 15 ns of one merchant, 112 against 81 ns of 10,000 in random order; bytes for an entry beside the record: 73 against 112.',
  '`diagnose()` and its checks left out of the import (53 of the 294 kB that the entry reads): 120 against 126 ms of the processor on a busy machine, which is within the noise. It stays in: what is loaded later fails in a process whose package was replaced under it.'
]

const title = 'Weight: import, registration, installation, first token'

const kilobytes = bytes => `${number(bytes / 1000)} kB`

async function packagesIn (home) {
  const { stdout } = await npm(['ls', '--all', '--parseable'], home)
  return [...new Set(stdout.trim().split('\n').filter(line => line.includes('node_modules')).map(line => line.slice(line.indexOf('node_modules') + 13)))]
}

/** Bytes of the files below node_modules, in all and by package. */
async function bytesIn (folder) {
  const each = {}
  for (const entry of await readdir(folder, { recursive: true })) {
    const stats = await lstat(join(folder, entry))
    if (!stats.isFile()) continue
    const last = entry.lastIndexOf('node_modules')
    const inside = (last === -1 ? entry : entry.slice(last + 13)).split(/[\\/]/)
    const name = (last === -1 ? '' : entry.slice(0, last + 13)) + (inside[0].startsWith('@') ? inside.slice(0, 2).join('/') : inside[0])
    each[name] = (each[name] ?? 0) + stats.size
  }
  return { each, total: Object.values(each).reduce((sum, size) => sum + size, 0) }
}

/** Bytes of the package's own files, by what they are. */
async function bytesByKind (folder) {
  const kinds = { JavaScript: 0, 'of TypeBox': 0, types: 0, guides: 0, others: 0 }
  for (const entry of await readdir(folder, { recursive: true })) {
    const stats = await lstat(join(folder, entry))
    if (!stats.isFile()) continue
    const kind = entry.endsWith('schemas.js') ? 'of TypeBox' : entry.endsWith('.js') ? 'JavaScript' : entry.endsWith('.d.ts') ? 'types' : entry.endsWith('.md') ? 'guides' : 'others'
    kinds[kind] += stats.size
  }
  return kinds
}
