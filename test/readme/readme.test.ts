import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { OptionalKind } from '@sinclair/typebox'
import Fastify from 'fastify'
import t from 'tap'
import clover from '../../src/index.js'
import { memoryStorage } from '../../src/storage/index.js'
import { CloverDataOptions } from '../../src/options.js'
import { errorCodes } from '../../src/errors.js'
import { DataOptions } from '../../src/testing/simulator/options.js'
import { eventTable } from '../../src/tokens/events.js'
import { Installation } from '../../src/tokens/installation.js'
import { apiHost } from '../api/bench.js'
import { merchantA } from '../helpers/host.js'
import { sendMerchantsToLaunch } from './error-handler.js'
import { addItem, newestOrders, turnover } from './api.js'

const readme = await readFile('README.md', 'utf8')

/** As GitHub makes it: lower case, without punctuation, hyphens for spaces. */
function anchorOf (heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-')
}

/** What an entry exports by name, and whether it is a type alone. */
async function exportsOf (file: string): Promise<Array<readonly [name: string, isType: boolean]>> {
  const source = await readFile(file, 'utf8')
  const named = [...source.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(([, isType, list = '']) => list.split(',').map(item => {
    const name = item.trim()
    return [name.replace(/^type /, '').replace(/^.* as /, ''), isType !== undefined || name.startsWith('type ')] as const
  }))
  const all = await Promise.all([...source.matchAll(/^export \* from '\.\/(.*)\.js'/gm)].map(([, path]) => exportsOf(join(dirname(file), `${path}.ts`))))
  return [...named, ...all.flat()]
}

const sorted = (names: Iterable<readonly [string, boolean]>) => [...names].sort(([a], [b]) => a < b ? -1 : 1)

t.test('the README shows code that is run or type-checked here', async t => {
  const shown = [...readme.matchAll(/<!-- (\S+) -->\n```\w+\n([^]*?)```\n/g)]
  t.equal(shown.length, 8)
  for (const [, file, code] of shown) t.equal(code, await readFile(String(file), 'utf8'), String(file))
})

t.test('every link within the README leads to a heading, and no two headings share an anchor', async t => {
  const prose = readme.replace(/^```[^]*?^```$/gm, '')
  const anchors = [...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading))
  t.same(anchors.filter((anchor, index) => anchors.indexOf(anchor) !== index), [], 'shared')
  const links = [...prose.matchAll(/\]\(#([^)]*)\)/g)].map(([, anchor]) => anchor)
  t.ok(links.length > 30)
  t.same(links.filter(link => !anchors.includes(String(link))), [], 'links that lead nowhere')
})

t.test('every file that the README links to is there', async t => {
  const files = [...readme.matchAll(/\]\((?!https?:|#)([^)#]+)\)/g)].map(([, file]) => String(file))
  t.ok(files.length > 5)
  for (const file of files) await t.resolves(access(file), file)
})

t.test('the README names every export', async t => {
  const [, exportsSection = ''] = /^## Exports\n([^]*?)^## /m.exec(readme) ?? []
  const tables = exportsSection.split('| From `').slice(1)
  const entries = { 'fastify-clover': 'src/index.ts', 'fastify-clover/storage': 'src/storage/index.ts', 'fastify-clover/testing': 'src/testing/index.ts' }
  t.same(tables.map(table => table.slice(0, table.indexOf('`'))), Object.keys(entries))
  for (const [index, file] of Object.values(entries).entries()) {
    const names = new Map(await exportsOf(file))
    t.ok(names.size > 20, file)
    const listed = [...String(tables[index]).matchAll(/(\*?)`(\w+)`\*?/g)].map(([, isType, name]) => [String(name), isType === '*'] as const)
    t.same(sorted(listed), sorted(names), file)
  }
})

t.test('the first block of the README runs as it is', async t => {
  const folder = await mkdtemp(join(process.cwd(), '.readme-')) // inside, where the package finds itself by its name
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const code = await readFile('test/readme/server.mjs', 'utf8')
  const anyPort = code.replace('await app.listen({ port: 3000 })', 'process.send(await app.listen({ port: 0 }))')
  t.not(anyPort, code)
  await writeFile(join(folder, 'server.mjs'), anyPort)
  const server = spawn(process.execPath, [join(folder, 'server.mjs')], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], env: { PATH: process.env.PATH } })
  t.teardown(() => server.kill())
  const [address] = await once(server, 'message')

  const launch = await fetch(`${address}/clover/launch`, { redirect: 'manual' })
  t.equal(launch.status, 302)
  const authorize = await fetch(String(launch.headers.get('location')))
  t.equal(authorize.status, 200)
  t.match(await authorize.text(), /<form|<a /)
  t.equal((await fetch(`${address}/orders`, { redirect: 'manual' })).headers.get('location'), '/clover/launch', 'nobody is connected yet')
})

t.test('the error handler sends a merchant\'s browser to the launch, and others as usual', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  sendMerchantsToLaunch(app)
  await app.register(clover, {
    environment: 'sandbox', appId: 'APP', appSecret: 'secret', storage: memoryStorage(), cookieSecret: 'x'.repeat(32), baseUrl: 'https://shop.example', routes: { refresh: false }
  })
  app.get('/orders', async request => await request.clover.accessToken(merchantA))
  app.post('/orders', async request => await request.clover.accessToken(merchantA))

  const page = await app.inject({ url: '/orders', headers: { accept: 'text/html' } })
  t.equal(page.statusCode, 302)
  t.match(page.headers.location, new RegExp(`/clover/launch\\?merchant_id=${merchantA}$`))
  t.match((await app.inject({ url: '/orders' })).json(), { statusCode: 409, code: 'FST_CLOVER_NOT_CONNECTED' })
  t.equal((await app.inject({ method: 'POST', url: '/orders', headers: { accept: 'text/html' } })).statusCode, 409)
})

t.test('the functions that call Clover\'s API run', async t => {
  const { app, connect } = await apiHost(t)
  await connect()
  t.match(await newestOrders(app.clover, merchantA), [{ id: 'ORDER00000003' }, { id: 'ORDER00000002' }, { id: 'ORDER00000001' }])
  t.equal(await addItem(app.clover, merchantA, { name: 'Tea', price: 250 }), true)
  t.equal(await turnover(app.clover, merchantA, new Date('2026-01-01')), 3090)
})

t.test('the README names every option and every error', async t => {
  for (const name of [...Object.keys(CloverDataOptions.properties), 'storage', 'routes', 'onConnect', 'onError', 'onReauthorizationRequired', 'onReconnected', 'onDisconnect', 'onEvent']) {
    t.match(readme, `| \`${name}\` |`, name)
  }
  for (const code of Object.keys(errorCodes)) t.match(readme, `| \`${code}\` |`, code)
})

t.test('the README names every field of a record', async t => {
  const [, table = ''] = /^\| Field \| Holds \|\n([^]*?)\n\n/m.exec(readme) ?? []
  const named = [...table.matchAll(/^\| (.*?) \|/gm)].flatMap(([, names = '']) => [...names.matchAll(/`(\w+\??)`/g)].map(([, name]) => String(name)))
  t.same(named.sort(), Object.entries(Installation.properties).map(([name, field]) => OptionalKind in field ? `${name}?` : name).sort())
})

t.test('the README names every option of the simulator', async t => {
  const [, table = ''] = /^\| Option of `cloverSimulator`.*\n([^]*?)\n\n/m.exec(readme) ?? []
  const named = [...table.matchAll(/^\| (.*?) \|/gm)].flatMap(([, names = '']) => [...names.matchAll(/`(\w+)`/g)].map(([, name]) => String(name)))
  t.same(named.sort(), [...Object.keys(DataOptions.properties), 'latency', 'now', 'random'].sort())
})

t.test('the README has each event with its channel, its log level and its fields', async t => {
  for (const [type, [level, , fields]] of Object.entries(eventTable)) {
    const names = Object.entries(fields).map(([name, field]) => `\`${name}${OptionalKind in field ? '?' : ''}\``)
    t.match(readme, `| \`fastify-clover:${type}\` | \`${level}\` | ${names.join(', ')} |`, type)
  }
})
