import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { forgetSimulated, openDatabase, simulatorTable } from '../../example/database.js'
import { callerRoute } from '../../example/lab/caller-route.js'
import { proxy } from '../../example/lab/proxy.js'
import type { Servers } from '../../example/lab/servers.js'
import { readLabSettings } from '../../example/settings.js'
import type { Installation } from '../../src/installation.js'
import { connect } from '../harness/browser.js'
import { merchantA, startClover, startHost } from '../harness/host.js'
import { freePort } from '../harness/ports.js'
import { onlyLong, share } from '../harness/share.js'
import { Time } from '../harness/time.js'

/*
 * The example's start with what cannot work, its way to the real Clover, and the address in front of its servers. What a person sees of it is in
 * test/e2e.
 */

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runs the example in a group of processes of its own, until it ends or prints a line that matches. */
async function run (t: Test, env: Record<string, string>, until?: RegExp) {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--import', 'tsx', 'example/server.ts'], {
    cwd: root,
    detached: true,
    env: { PATH: process.env.PATH, TSX_TSCONFIG_PATH: 'example/tsconfig.json', LOG_LEVEL: 'silent', ...env, _TAPJS_PROCESSINFO_COVERAGE_: '0' },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const group = Number(child.pid)
  const signal = (name: NodeJS.Signals | 0) => {
    try {
      return process.kill(-group, name)
    } catch {
      return false
    }
  }
  t.teardown(() => { signal('SIGKILL') })
  let printed = ''
  const closed = once(child, 'close') as Promise<[number | null]>
  await Promise.race([closed, new Promise<void>(resolve => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        printed += text
        if (until?.test(printed)) resolve()
      })
    }
  })])
  return { printed, signal, end: async () => (await closed)[0] }
}

/** Whether a process of the group is left; one that is dead and was not noticed yet counts for a moment. */
async function isLeft ({ signal }: { signal: (name: 0) => boolean }): Promise<boolean> {
  for (let turn = 0; signal(0) && turn < 500; turn++) await new Promise(resolve => setTimeout(resolve, 10))
  return signal(0)
}

t.test('what cannot work is a sentence that says what to do, exit code 1, and no process is left', async t => {
  const taken = createServer().listen(0, 'localhost')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const folder = t.testdir()
  await writeFile(join(folder, 'file'), 'not a database, and not a folder either, but a text that is longer than the header of one, so that SQLite has to look at it')
  const ports = async () => ({ PORT: String(await freePort()), SIMULATOR_PORT: String(await freePort()) })
  const database = join(folder, 'example.sqlite')
  const wrong: Array<[env: Record<string, string>, says: RegExp]> = [
    [{ ...await ports(), PORT: String(port), DATABASE: database }, new RegExp(`^Port ${port} is taken\\. Choose others: PORT=3010 SIMULATOR_PORT=3011 npm start\n$`)],
    [{ ...await ports(), SIMULATOR_PORT: String(port), DATABASE: join(folder, 'other.sqlite') }, new RegExp(`^Port ${port} is taken\\. Choose others`)],
    [{ ...await ports(), DATABASE: join(folder, 'file') }, /^The SQLite file \S+ cannot be written \(file is not a database\)\. Name another: DATABASE=\S+ npm start\n$/],
    [{ ...await ports(), DATABASE: join(folder, 'file', 'below.sqlite') }, /^The SQLite file \S+ cannot be written \(.*\)\. Name another: /],
    [{ MERCHANTS: 'many' }, /^MERCHANTS must be a whole number from 0 to 10000\.\n$/]
  ]
  await Promise.all(share(wrong.filter((_, index) => [0, 2].includes(index)), wrong).map(async ([env, says]) => {
    const example = await run(t, env)
    t.match(example.printed, says)
    t.equal(await example.end(), 1)
    t.notOk(await isLeft(example), 'no process is left')
  }))
})

t.test('an example that cannot start, or has other ports, leaves the merchants of one that runs alone', { skip: onlyLong }, async t => {
  const database = join(t.testdir(), 'example.sqlite')
  const settings = readLabSettings({ DATABASE: database, SIMULATOR_PORT: String(await freePort()) })
  const running = openDatabase(database, { simulatorTable: simulatorTable(settings) })
  t.teardown(() => running.database.close())
  const simulator = createServer().listen(settings.simulatorPort, 'localhost')
  await once(simulator, 'listening')
  t.teardown(() => simulator.close())
  const record = { merchantId: 'MERCHANT00001', revision: '0'.repeat(32), dueAt: null } as Installation
  t.ok(await running.storage.put(record, undefined))
  const [second, third] = await Promise.all([
    run(t, { DATABASE: database, SIMULATOR_PORT: String(settings.simulatorPort), PORT: String(await freePort()) }),
    run(t, { DATABASE: database, SIMULATOR_PORT: String(await freePort()), PORT: String(await freePort()) }, /password \S+\n/)
  ])
  t.match(second.printed, /^Port \d+ is taken/)
  third.signal('SIGINT')
  t.equal(await third.end(), 0)
  t.match(await running.storage.get('MERCHANT00001'), record)
  forgetSimulated(settings)
  t.notOk(await openDatabase(database, { simulatorTable: simulatorTable(settings) }).storage.get('MERCHANT00001'), 'a new simulator on its port does')
})

t.test('a Node that is too old is told so before anything else runs', async t => {
  const check = async (...version: string[]) => {
    const child = spawn(process.execPath, ['example/check-node.cjs', ...version], { cwd: root, stdio: ['ignore', 'inherit', 'pipe'] })
    let printed = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => { printed += text })
    const [code] = await once(child, 'close') as [number]
    return { code, printed }
  }
  await Promise.all([
    ...['18.20.8', '20.18.3'].map(async version => t.same(await check(version), {
      code: 1, printed: `This needs Node 20.19 or later, and this is Node ${version}: install a newer one from https://nodejs.org, and run the command again.\n`
    })),
    ...[[], ['20.19.0'], ['22.2.0']].map(async version => t.same(await check(...version), { code: 0, printed: '' }))
  ])
})

t.test('with an App ID it is one server for the real Clover, without the lab', async t => {
  const port = String(await freePort())
  const url = `http://localhost:${port}`
  const example = await run(t, {
    PORT: port, BASE_URL: url, CLOVER_APP_ID: 'REALAPP000001', CLOVER_APP_SECRET: 'secret', CLOVER_ENVIRONMENT: 'sandbox', COOKIE_SECRET: 'x'.repeat(32), DATABASE: join(t.testdir(), 'real.sqlite')
  }, /password \S+\n/)
  t.match(example.printed, new RegExp(`^Open ${url} and connect a shop\\.\nThe operator's page is ${url}/operator, its password \\S+\n$`))
  t.equal((await fetch(`${url}/lab`)).status, 404)
  const page = await (await fetch(url)).text()
  t.match(page, 'Connect with Clover')
  t.notMatch(page, '/lab')
  t.equal(new URL(String((await fetch(`${url}/clover/launch`, { redirect: 'manual' })).headers.get('location'))).host, 'sandbox.dev.clover.com')
  example.signal('SIGINT')
  t.equal(await example.end(), 0)
  t.notOk(await isLeft(example))
})

t.test('a caller is served by a server that has an old token in its cache, although the stored one has ended as well', async t => {
  const key = 'the key of the lab'
  const time = new Time()
  const clover = await startClover(t, time)
  const runtime = { wallClock: time.now }
  const { app, browser, storage } = await startHost(t, {
    simulator: clover, runtime, after: async app => { await app.register(callerRoute, { key, api: clover.environment.api }) }
  })
  await connect(browser(), clover, merchantA)
  await app.clover.accessToken(merchantA)
  const other = await startHost(t, { simulator: clover, runtime, options: { storage: { ...storage } } })
  await other.app.clover.refresh(merchantA)
  clover.endAccessTokens(merchantA)
  const refreshes = clover.count('refresh')
  const reply = await app.inject({ url: `/lab/caller/${merchantA}`, headers: { authorization: `Bearer ${key}` } })
  t.match(reply.json(), { status: 200 })
  t.equal(clover.count('refresh'), refreshes + 1)
})

/** A server of a proxy: it answers, or breaks the connection after it has read the request. */
async function startServer (t: Test, breaks: boolean): Promise<{ server: Server, origin: string, seen: string[] }> {
  const seen: string[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    seen.push(`${request.method} ${request.url} ${request.headers['content-type'] ?? ''} ${body}`)
    if (breaks) return response.destroy()
    response.setHeader('set-cookie', ['a=1', 'b=2'])
    response.end('served')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { server, seen, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

async function startProxy (t: Test, origins: string[]) {
  const servers = { nextOrWait: async (tried: ReadonlySet<string>) => origins.map(origin => ({ origin })).find(({ origin }) => !tried.has(origin)) }
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(proxy, { servers: servers as unknown as Servers })
  return await app.listen({ port: 0, host: '127.0.0.1' })
}

t.test('a request whose server dies is tried at another, where that is safe', async t => {
  const [dying, living] = [await startServer(t, true), await startServer(t, false)]
  const url = await startProxy(t, [dying.origin, living.origin])
  const read = await fetch(`${url}/orders?limit=1&q=a%20b`)
  t.equal(await read.text(), 'served')
  t.same(read.headers.getSetCookie(), ['a=1', 'b=2'])
  t.same(living.seen.splice(0), ['GET /orders?limit=1&q=a%20b  '])

  t.match(await (await fetch(`${url}/refresh`, { method: 'POST', body: 'x' })).json(), { statusCode: 502, message: /before it had answered/ })
  t.match(await (await fetch(`${url}/clover/callback?code=x`)).json(), { statusCode: 502 })
  t.same(living.seen, [], 'a change, and a code that works once, are not tried again')
  t.equal(dying.seen.length, 3)
})

t.test('a server that nothing has reached yet is no loss, whatever the request', async t => {
  const [gone, living] = [await startServer(t, true), await startServer(t, false)]
  gone.server.close()
  const url = await startProxy(t, [gone.origin, living.origin])
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  for (const body of ['merchant_id=A&x=1', '']) {
    const response = await fetch(`${url}/operator/refresh`, { method: 'POST', headers, body })
    t.equal(await response.text(), 'served')
  }
  t.equal(await (await fetch(`${url}/clover/refresh`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a": 1}' })).text(), 'served')
  t.equal(await (await fetch(`${url}/clover/callback?code=x`)).text(), 'served')
  t.same(living.seen, [
    'POST /operator/refresh application/x-www-form-urlencoded merchant_id=A&x=1',
    'POST /operator/refresh  ',
    'POST /clover/refresh application/json {"a": 1}',
    'GET /clover/callback?code=x  '
  ])
  const none = await fetch(await startProxy(t, []))
  t.equal(none.status, 503)
  t.equal(none.headers.get('retry-after'), '1')
})
