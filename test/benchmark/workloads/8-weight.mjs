import { execFile } from 'node:child_process'
import { lstat, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { number, ratioText } from '../harness/report.mjs'
import { median, medianWithInterval } from '../harness/statistics.mjs'
import { versionOf } from '../peers/index.mjs'

const root = join(import.meta.dirname, '../../..')
const run_ = promisify(execFile)
const npm = (args, cwd) => run_('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd, shell: process.platform === 'win32' })
const peer = '@fastify/oauth2'

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
  'fastify-clover': script('fastify-clover', `{
    environment: 'sandbox', appId: 'ABCDEFGHJKLMN', appSecret: 'a secret', storage: memoryStorage(), cookieSecret: 'x'.repeat(32), baseUrl: 'https://shop.example', routes: { refresh: false }
  }`),
  [peer]: script(peer, `{
    name: 'clover', startRedirectPath: '/clover/launch', callbackUri: 'https://shop.example/clover/callback',
    credentials: { client: { id: 'ABCDEFGHJKLMN', secret: 'a secret' }, auth: { authorizeHost: 'https://sandbox.dev.clover.com', authorizePath: '/oauth/v2/authorize', tokenHost: 'https://apisandbox.dev.clover.com', tokenPath: '/oauth/v2/token' } }
  }`)
}

/** The part of the import that is TypeBox, with which the schemas are made and checked. */
const schemasAlone = `
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

/** What the package weighs, against the plugin of Fastify for OAuth. */
export async function run ({ quick, rounds, progress }) {
  if (quick) return { title, targets: [{ target: 'not more than `@fastify/oauth2`', value: 'a quick run installs nothing' }] }
  const folder = await mkdtemp(join(tmpdir(), 'clover-benchmark-'))
  try {
    const { stdout } = await npm(['pack', '--ignore-scripts', '--json', '--pack-destination', folder], root)
    const tarball = join(folder, JSON.parse(stdout)[0].filename)
    const installed = {}
    for (const [name, spec] of Object.entries({ fastify: [], 'fastify-clover': [tarball], [peer]: [`${peer}@${versionOf(peer) ?? 'latest'}`] })) {
      const home = join(folder, name.replace('/', '-'))
      await mkdir(home)
      await writeFile(join(home, 'package.json'), '{ "private": true, "type": "module" }')
      await npm(['install', '--prefer-offline', 'fastify@5', ...spec], home)
      installed[name] = { home, packages: await packagesIn(home), bytes: await bytesIn(join(home, 'node_modules')) }
      if (name in scripts) await writeFile(join(home, 'start.mjs'), scripts[name])
    }

    await writeFile(join(installed['fastify-clover'].home, 'typebox.mjs'), schemasAlone)
    const files = { 'fastify-clover': ['fastify-clover', 'start.mjs'], [peer]: [peer, 'start.mjs'], typebox: ['fastify-clover', 'typebox.mjs'] }
    const times = { 'fastify-clover': [], [peer]: [], typebox: [] }
    const starts = Math.max(15, rounds)
    for (let round = -1; round < starts; round++) {
      const order = round % 2 === 0 ? Object.keys(times) : Object.keys(times).reverse()
      for (const name of order) {
        const { stdout } = await run_(process.execPath, [files[name][1]], { cwd: installed[files[name][0]].home })
        if (round >= 0) times[name].push(JSON.parse(stdout)) // the first reads the files from disk
      }
      if ((round + 1) % 5 === 0) progress(`${round + 1} of ${starts} starts`)
    }

    const own = 'fastify-clover'
    const { packages, bytes } = installed.fastify
    const of = (name, what) => times[name].map(time => time[what])
    const ratioOf = what => medianWithInterval(of(own, what).map((value, i) => value / of(peer, what)[i]))
    const beyond = name => ({ packages: installed[name].packages.filter(entry => !packages.includes(entry)), bytes: installed[name].bytes.total - bytes.total })
    const [ours, theirs] = [beyond(own), beyond(peer)]
    const heaviest = name => Object.entries(installed[name].bytes.each).filter(([entry]) => !packages.includes(entry)).sort((a, b) => b[1] - a[1]).slice(0, 6).map(([entry, size]) => `${entry} ${kilobytes(size)}`).join(', ')
    return {
      title,
      setup: [
        `The package as \`npm pack\` makes it, and \`${peer}\`, each installed with \`fastify@5\` into an empty folder; what \`fastify\` alone brings is taken off. Times are of ${starts} fresh processes each, in turn, in which Fastify is loaded already: \`import\` (for fastify-clover also \`fastify-clover/storage\`), and \`register\` with \`ready\`.`
      ],
      tables: [
        {
          columns: ['', 'fastify-clover', `\`${peer}\``, 'Ratio, with its interval of 95 %'],
          rows: [
            ...[['load', 'Import, median'], ['processor', 'Import, processor time, median'], ['register', 'Registration, median'], ['both', 'Both']].map(([what, label]) => [label, `${number(median(of(own, what)))} ms`, `${number(median(of(peer, what)))} ms`, ratioText(ratioOf(what))]),
            ['Of the import, TypeBox alone', `${number(median(of('typebox', 'load')))} ms, ${number(median(of('typebox', 'processor')))} ms of the processor`, '–', '–'],
            ['Packages beside Fastify\'s', ours.packages.length, theirs.packages.length, number(ours.packages.length / theirs.packages.length)],
            ['Bytes beside Fastify\'s', kilobytes(ours.bytes), kilobytes(theirs.bytes), number(ours.bytes / theirs.bytes)]
          ]
        },
        { caption: 'The heaviest packages', columns: ['', ''], rows: [['fastify-clover', heaviest(own)], [`\`${peer}\``, heaviest(peer)]] }
      ],
      targets: [
        ...[['load', 'import'], ['processor', 'import, by processor time'], ['register', 'registration']].map(([what, label]) => ({ target: `${label}: not more than \`${peer}\``, value: ratioText(ratioOf(what)), reached: ratioOf(what).median <= 1 })),
        { target: 'packages: not more', value: `${ours.packages.length} against ${theirs.packages.length}`, reached: ours.packages.length <= theirs.packages.length },
        { target: 'bytes: not more', value: `${kilobytes(ours.bytes)} against ${kilobytes(theirs.bytes)}`, reached: ours.bytes <= theirs.bytes }
      ],
      unfair: [`\`${peer}\` has the flow alone: no store, no refreshing, no schemas, no simulator. The package counted here has all of these.`]
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const title = 'Weight: import, registration, installation'

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
