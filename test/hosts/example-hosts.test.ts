import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import mysql from 'mysql2/promise'
import { Client } from 'pg'
import t, { type Test } from 'tap'
import { CookieJar } from 'tough-cookie'
import { cloverSimulator } from '../../src/testing/index.js'
import { freePort } from '../e2e/daybook.js'
import { findMariadb, findPostgres, findRedis, uniqueName } from '../helpers/services.js'

/*
 * The hosts in example/hosts, each a process of its own that runs what is built in `dist`, as an app that has installed the package does.
 */

const root = fileURLToPath(new URL('../..', import.meta.url))
const merchantId = `HOSTS${Math.random().toString(36).slice(2).padEnd(8, '0').slice(0, 8).toUpperCase()}`
const [postgres, redis, mariadb] = await Promise.all([findPostgres(), findRedis(), findMariadb()])

interface Host {
  url: string
  /** What it printed as an error or a warning; without the warning of Node 22 that its SQLite is experimental. */
  warnings: () => string
  /** Asks it to stop, and resolves with its exit code. */
  stop: () => Promise<number | null>
}

/** Starts a host and waits until it listens. */
async function startHost (t: Test, file: string, env: Record<string, string>): Promise<Host> {
  const child = spawn(process.execPath, [...(file.endsWith('.ts') ? ['--import', 'tsx'] : []), join('example/hosts', file)], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      TSX_TSCONFIG_PATH: 'example/tsconfig.json',
      ...env,
      _TAPJS_PROCESSINFO_COVERAGE_: '0' // what runs here is dist, whose coverage does not add up with that of src
    },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const closed = once(child, 'close') as Promise<[number | null]>
  t.teardown(() => child.kill('SIGKILL'))
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
  const [printed] = await Promise.race([
    once(child.stdout.setEncoding('utf8'), 'data') as Promise<[string]>,
    closed.then(([code]) => { throw new Error(`${file} ended with ${code} and printed:\n${errors}`) })
  ])
  const url = /^Open (\S+)\/orders\n$/.exec(printed)?.[1] ?? ''
  t.equal(url, `http://localhost:${env.PORT}`, 'says where it is')
  return {
    url,
    warnings: () => errors.replace(/^.*ExperimentalWarning: SQLite.*\n.*--trace-warnings.*\n/m, ''),
    stop: async () => {
      child.kill('SIGTERM')
      const [code] = await closed
      return code
    }
  }
}

/** A merchant's browser: its cookies, and requests whose redirects it shows. */
function newBrowser () {
  const jar = new CookieJar()
  return async (url: string): Promise<Response> => {
    const response = await fetch(url, { redirect: 'manual', headers: { cookie: await jar.getCookieString(url) } })
    for (const line of response.headers.getSetCookie()) await jar.setCookie(line, url)
    return response
  }
}

/** A merchant connects, gets data with a token, and is still connected after the host was started again. */
async function works (t: Test, file: string, settings: Record<string, string>): Promise<void> {
  const clover = await cloverSimulator({
    apps: [{ id: 'SIMULATORAPP1', secret: 'simulator-secret' }], merchants: [{ id: merchantId, orders: [{ id: 'ORDER00000001', total: 450 }] }]
  })
  t.teardown(() => clover.close())
  const env = {
    PORT: String(await freePort()), CLOVER_SIMULATOR: clover.origin, COOKIE_SECRET: 'x'.repeat(32), SESSION_KEY: Buffer.alloc(32, 7).toString('base64'), ...settings
  }
  const location = (response: Response) => String(response.headers.get('location'))
  const visit = newBrowser()

  const first = await startHost(t, file, env)
  t.equal(location(await visit(`${first.url}/orders`)), '/clover/launch', 'a stranger is sent to connect')
  const authorize = new URL(location(await visit(`${first.url}/clover/launch`)))
  t.equal(authorize.origin, clover.origin)
  const callback = new URL(String(authorize.searchParams.get('redirect_uri')))
  const granted = { ...clover.authorize({ merchantId }), state: String(authorize.searchParams.get('state')) }
  for (const [name, value] of Object.entries(granted)) callback.searchParams.set(name, value)
  t.equal(location(await visit(callback.href)), '/orders', 'the merchant is connected')
  const orders = await visit(`${first.url}/orders`)
  t.match(await orders.json(), { elements: [{ id: 'ORDER00000001', total: 450 }] })
  t.equal(await first.stop(), 0, 'stops when it is asked to')

  const second = await startHost(t, file, env)
  const later = await visit(`${second.url}/orders`)
  t.equal(later.status, 200)
  t.match(await later.json(), { elements: [{ id: 'ORDER00000001' }] }, 'the merchant is still connected after a restart')
  t.equal(clover.count('token'), 1, 'without another authorization')
  t.equal(await second.stop(), 0)
  t.equal(first.warnings() + second.warnings(), '', 'no warning is printed')
}

t.test('the CommonJS host works, with the plugin by require()', async t => {
  await works(t, 'commonjs.cjs', { DATABASE: join(t.testdir(), 'clover.sqlite') })
})

t.test('the host in plain JavaScript works', async t => {
  await works(t, 'javascript.mjs', { DATABASE: join(t.testdir(), 'clover.sqlite') })
})

t.test('the host with @fastify/postgres works', { skip: postgres.skip }, async t => {
  const client = new Client({ connectionString: postgres.url })
  await client.connect()
  const database = uniqueName('host')
  await client.query(`create database ${database}`)
  t.teardown(async () => {
    await client.query(`drop database ${database} with (force)`)
    await client.end()
  })
  await works(t, 'postgres.ts', { PG_URL: Object.assign(new URL(postgres.url), { pathname: database }).href })
})

t.test('the host with @fastify/redis works', { skip: redis.skip }, async t => {
  const client = new Redis(redis.url)
  t.teardown(async () => {
    await client.del(`clover:${merchantId}`)
    await client.quit()
  })
  await works(t, 'redis.ts', { REDIS_URL: redis.url })
  t.equal(await client.exists(`clover:${merchantId}`), 1, 'the record is in Redis')
})

t.test('the host with its own adapter over MariaDB works', { skip: mariadb.skip }, async t => {
  const connection = await mysql.createConnection(mariadb.url)
  const database = uniqueName('host')
  await connection.query(`create database ${database}`)
  t.teardown(async () => {
    await connection.query(`drop database ${database}`)
    await connection.end()
  })
  await works(t, 'mariadb.ts', { MARIADB_URL: Object.assign(new URL(mariadb.url), { pathname: database }).href })
})

t.test('the simulator for the hosts starts, with the app that they have', async t => {
  const child = spawn(process.execPath, ['example/hosts/simulator.mjs'], { cwd: root, env: { PATH: process.env.PATH, PORT: String(await freePort()), _TAPJS_PROCESSINFO_COVERAGE_: '0' } })
  t.teardown(() => child.kill())
  const [printed] = await once(child.stdout.setEncoding('utf8'), 'data') as [string]
  const origin = /is at (\S+):/.exec(printed)?.[1] ?? ''
  const body = JSON.stringify({ client_id: 'SIMULATORAPP1', client_secret: 'simulator-secret', code: 'none' })
  const reply = await fetch(`${origin}/oauth/v2/token`, { method: 'POST', body, headers: { 'content-type': 'application/json', 'user-agent': 'test/1.0' } })
  t.match(await reply.json(), { message: 'Failed to validate authentication code.' }, 'the app is known, the code is not')
  t.match(await (await fetch(`${origin}/`)).text(), 'Open Your app')
})
