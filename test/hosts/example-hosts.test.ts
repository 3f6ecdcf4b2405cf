import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import secureSession from '@fastify/secure-session'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import mysql from 'mysql2/promise'
import { Client } from 'pg'
import t, { type Test } from 'tap'
import { CookieJar, type Cookie } from 'tough-cookie'
import { cloverSimulator } from '../../src/testing/index.js'
import { freePort } from '../harness/ports.js'
import { findMariadb, findPostgres, findRedis, uniqueName } from '../harness/services.js'
import { onlyLong } from '../harness/share.js'
import { compileHosts } from './compiled-hosts.js'

/*
 * The hosts in example/hosts, each a process of its own that runs what is built in `dist`, as an app that has installed the package does.
 */

const root = fileURLToPath(new URL('../..', import.meta.url))
const merchantId = `HOSTS${Math.random().toString(36).slice(2).padEnd(8, '0').slice(0, 8).toUpperCase()}`
const [postgres, redis, mariadb] = await Promise.all([findPostgres(), findRedis(), findMariadb()])

const inTypeScript = ['bullmq.ts', 'mariadb.ts', 'pg-boss.ts', 'postgres.ts', 'redis.ts']
const scripts = await compileHosts(t, inTypeScript)
/** What runs in place of a host in TypeScript. */
const compiled = new Map(inTypeScript.map((file, index) => [file, scripts[index] ?? '']))

interface Host {
  url: string
  /** What it printed as an error or a warning; without the warning of Node 22 that its SQLite is experimental. */
  warnings: () => string
  /** Asks it to stop, and resolves with its exit code. */
  stop: () => Promise<number | null>
}

/** Starts a host and waits until it listens. */
async function startHost (t: Test, file: string, env: Record<string, string>): Promise<Host> {
  const child = spawn(process.execPath, [compiled.get(file) ?? join('example/hosts', file)], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
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
  const visit = async (url: string): Promise<Response> => {
    const response = await fetch(url, { redirect: 'manual', headers: { accept: 'text/html', cookie: await jar.getCookieString(url) } })
    for (const line of response.headers.getSetCookie()) await jar.setCookie(line, url)
    return response
  }
  return { jar, visit }
}

const sessionKey = Buffer.alloc(32, 7)

/** A cookie of the hosts' sessions, made and read with their key. */
async function startSessions (t: Test) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(secureSession, { key: sessionKey })
  return {
    make: (data: Record<string, string>) => `session=${encodeURIComponent(app.encodeSecureSession(app.createSecureSession(data)))}; Path=/`,
    read: (cookies: Cookie[]) => app.decodeSecureSession(decodeURIComponent(cookies.find(({ key }) => key === 'session')?.value ?? ''))
  }
}

/** A merchant connects, gets data with a token, and is still connected after the host was started again. */
async function works (t: Test, file: string, settings: Record<string, string>): Promise<void> {
  const clover = await cloverSimulator({
    apps: [{ id: 'SIMULATORAPP1', secret: 'simulator-secret' }], merchants: [{ id: merchantId, orders: [{ id: 'ORDER00000001', total: 450 }] }]
  })
  t.teardown(() => clover.close())
  const env = {
    PORT: String(await freePort()), CLOVER_SIMULATOR: clover.origin, COOKIE_SECRET: 'x'.repeat(32), SESSION_KEY: sessionKey.toString('base64'), ...settings
  }
  const location = (response: Response) => String(response.headers.get('location'))
  const { jar, visit } = newBrowser()
  const sessions = await startSessions(t)

  const first = await startHost(t, file, env)
  // Somebody else has planted a session in this browser.
  await jar.setCookie(sessions.make({ planted: 'yes' }), first.url)
  const launch = location(await visit(`${first.url}/orders?limit=1`))
  t.equal(launch, `${first.url}/clover/launch?return_to=%2Forders%3Flimit%3D1`, 'a stranger is sent to connect')
  const authorize = new URL(location(await visit(launch)))
  t.equal(authorize.origin, clover.origin)
  const callback = new URL(String(authorize.searchParams.get('redirect_uri')))
  const granted = { ...clover.authorize({ merchantId }), state: String(authorize.searchParams.get('state')) }
  for (const [name, value] of Object.entries(granted)) callback.searchParams.set(name, value)
  t.equal(location(await visit(callback.href)), '/orders?limit=1', 'the merchant is connected, and goes on to the page that was asked for')
  t.same(sessions.read(await jar.getCookies(first.url))?.data(), { merchantId }, 'in a session of its own (security: session fixation)')
  t.equal(location(await visit(`${first.url}/`)), '/orders', 'where a merchant arrives who opens the app from Clover')
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

t.test('the CommonJS host works, with the plugin by require() (security 42)', async t => {
  await works(t, 'commonjs.cjs', { DATABASE: join(t.testdir(), 'clover.sqlite') })
})

t.test('the host in plain JavaScript works (security 42)', { skip: onlyLong }, async t => {
  await works(t, 'javascript.mjs', { DATABASE: join(t.testdir(), 'clover.sqlite') })
})

t.test('the host with @fastify/postgres works (security 42)', { skip: postgres.skip }, async t => {
  await works(t, 'postgres.ts', { PG_URL: await newDatabase(t) })
})

/** A database of PostgreSQL that goes when the test ends. */
async function newDatabase (t: Test): Promise<string> {
  const client = new Client({ connectionString: postgres.url })
  await client.connect()
  const database = uniqueName('host')
  await client.query(`create database ${database}`)
  t.teardown(async () => {
    await client.query(`drop database ${database} with (force)`)
    await client.end()
  })
  return Object.assign(new URL(postgres.url), { pathname: database }).href
}

t.test('the host with @fastify/redis works (security 42)', { skip: redis.skip || onlyLong }, async t => {
  const client = new Redis(redis.url)
  t.teardown(async () => {
    await client.del(`clover:${merchantId}`)
    await client.quit()
  })
  await works(t, 'redis.ts', { REDIS_URL: redis.url })
  t.equal(await client.exists(`clover:${merchantId}`), 1, 'the record is in Redis')
})

t.test('the web process with BullMQ works (security 42)', { skip: redis.skip || onlyLong }, async t => {
  const client = new Redis(redis.url)
  t.teardown(async () => {
    await client.del(`clover:${merchantId}`, ...await client.keys('bull:clover-*'))
    await client.quit()
  })
  await works(t, 'bullmq.ts', { REDIS_URL: redis.url })
})

t.test('the web process with pg-boss works (security 42)', { skip: postgres.skip || onlyLong }, async t => {
  await works(t, 'pg-boss.ts', { PG_URL: await newDatabase(t) })
})

t.test('the host with @fastify/mysql works (security 42)', { skip: mariadb.skip || onlyLong }, async t => {
  const connection = await mysql.createConnection(mariadb.url)
  const database = uniqueName('host')
  await connection.query(`create database ${database}`)
  t.teardown(async () => {
    await connection.query(`drop database ${database}`)
    await connection.end()
  })
  await works(t, 'mariadb.ts', { MARIADB_URL: Object.assign(new URL(mariadb.url), { pathname: database }).href })
})

t.test('the host with Prisma works (security 42)', { skip: postgres.skip || onlyLong }, async t => {
  // The engine is for migrations only; without this, Prisma would load it from the network.
  const env = { ...process.env, NODE_OPTIONS: '', PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1' }
  await promisify(execFile)(process.execPath, ['node_modules/prisma/build/index.js', 'generate', '--schema', 'example/hosts/schema.prisma'], { cwd: root, env })
  await works(t, 'prisma.mjs', { PG_URL: await newDatabase(t) })
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
