import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import pg from 'pg'
import type { Test } from 'tap'
import type { StoreAddress } from './stores.js'
import { freePort } from '../harness/ports.js'

/** A database server of a test's own, which it may stop, crash and start again. */
export interface PrivateServer {
  port: number
  start (): Promise<void>
  /** Ends it in order. */
  stop (): Promise<void>
  /** Ends it as a crash does: what was not made durable is gone. */
  crash (): Promise<void>
  /** An empty store, reached through some port. */
  address (port: number): StoreAddress
}

/** A kind of server that can be started here. */
export interface ServerKind {
  kind: 'postgres' | 'redis' | 'mariadb'
  /** For tap's option of the same name. */
  skip: string | false
  /** Starts one; it is gone when the test ends. */
  make (t: Test): Promise<PrivateServer>
}

/** The servers that can be started on this machine. */
export function findPrivateServers (): ServerKind[] {
  const postgres = findPostgresFolder()
  const redis = findProgram('redis-server')
  const mariadb = findProgram('mariadbd')
  return [
    { kind: 'postgres', skip: missing('PostgreSQL', postgres), make: t => makePostgres(t, postgres ?? '') },
    { kind: 'redis', skip: missing('redis-server', redis), make: t => makeRedis(t, redis ?? '') },
    { kind: 'mariadb', skip: missing('mariadbd', mariadb), make: t => makeMariadb(t, mariadb ?? '') }
  ]
}

async function makePostgres (t: Test, folder: string): Promise<PrivateServer> {
  const data = temporaryFolder(t)
  const user = giveToPostgres(data)
  execFileSync(join(folder, 'initdb'), ['--auth=trust', '--username=postgres', '--no-sync', '--no-locale', '--encoding=UTF8', '-D', data], { ...user, cwd: data })
  const port = await freePort()
  const server = program(t, port, data, {
    run: () => spawn(join(folder, 'postgres'), ['-D', data, '-p', String(port), '-k', data, '-c', 'listen_addresses=127.0.0.1'], { ...user, cwd: data, stdio: 'ignore' }),
    stopSignal: 'SIGINT', // PostgreSQL's "fast" shutdown
    crashSignal: 'SIGQUIT' // its "immediate" one, after which it must recover
  })
  await server.start()
  await untilItAnswers(port)
  return { ...server, address: port => ({ kind: 'postgres', url: `postgres://postgres@127.0.0.1:${port}/postgres`, table: 'installations' }) }
}

/** The user that PostgreSQL runs as, since it does not run as root. The folder becomes that user's. */
export function giveToPostgres (folder: string): { uid?: number, gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const user = { uid: idOf('-u', 'postgres'), gid: idOf('-g', 'postgres') }
  chownSync(folder, user.uid, user.gid)
  return user
}

/** PostgreSQL takes connections before it takes queries. Only a test's set-up waits for this: a store that starts again may be as rude as it is. */
export async function untilItAnswers (port: number): Promise<void> {
  const pool = new pg.Pool({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres', max: 1 })
  const end = Date.now() + 30_000
  while (!await pool.query('SELECT 1').then(() => true, () => Date.now() > end)) await setTimeout(50)
  await pool.end()
}

async function makeRedis (t: Test, file: string): Promise<PrivateServer> {
  const folder = temporaryFolder(t)
  const port = await freePort()
  const server = program(t, port, folder, {
    run: () => spawn(file, ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'yes', '--dir', folder], { stdio: 'ignore' }),
    stopSignal: 'SIGTERM',
    crashSignal: 'SIGKILL'
  })
  await server.start()
  return { ...server, address: port => ({ kind: 'redis', url: `redis://127.0.0.1:${port}`, prefix: 'installations:' }) }
}

async function makeMariadb (t: Test, file: string): Promise<PrivateServer> {
  const data = temporaryFolder(t)
  const user = userInfo().username
  // A server that starts removes temporary tables from its folder for them: not those of another one.
  const settings = ['--no-defaults', `--datadir=${data}`, `--tmpdir=${data}`, `--user=${user}`]
  execFileSync('mariadb-install-db', [...settings, '--auth-root-authentication-method=normal', '--skip-test-db'], { stdio: 'ignore' })
  const port = await freePort()
  const server = program(t, port, data, {
    run: () => spawn(file, [...settings, `--port=${port}`, '--bind-address=127.0.0.1', `--socket=${join(data, 'socket')}`, '--innodb-buffer-pool-size=16M'], { stdio: 'ignore' }),
    stopSignal: 'SIGTERM',
    crashSignal: 'SIGKILL'
  })
  await server.start()
  return { ...server, address: port => ({ kind: 'mariadb', url: `mysql://root@127.0.0.1:${port}/mysql`, table: 'installations' }) }
}

interface Program {
  run: () => ChildProcess
  stopSignal: NodeJS.Signals
  crashSignal: NodeJS.Signals
}

/** Runs a program that listens at a port, until the test ends. */
export function program (t: Test, port: number, folder: string, { run, stopSignal, crashSignal }: Program): Omit<PrivateServer, 'address'> {
  let running: ChildProcess | undefined
  async function end (signal: NodeJS.Signals): Promise<void> {
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
    const exit = once(running, 'exit')
    running.kill(signal)
    await exit
  }
  t.teardown(() => end(crashSignal))
  return {
    port,
    async start () {
      running = run()
      endWithThisProcess(running, folder)
      const end = Date.now() + 30_000
      while (!await accepts(port)) {
        if (Date.now() > end) throw new Error(`no server at port ${port}`)
        await setTimeout(50)
      }
    },
    stop: () => end(stopSignal),
    crash: () => end(crashSignal)
  }
}

/** Ends a server, and removes its folder, even if this process is killed: then the pipe to the watcher breaks. */
function endWithThisProcess (server: ChildProcess, folder: string): void {
  const script = 'cat; kill -QUIT "$1"; sleep 2; kill -KILL "$1"; rm -rf "$2"'
  const watcher = spawn('/bin/sh', ['-c', script, 'watcher', String(server.pid), folder], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  server.once('exit', () => watcher.kill('SIGKILL'))
}

/** The folder of PostgreSQL's programs; undefined if they are not installed. */
export function findPostgresFolder (): string | undefined {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : []
  return versions.map(version => join(root, version, 'bin')).find(folder => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')))
}

function findProgram (name: string): string | undefined {
  return (process.env.PATH ?? '').split(':').map(folder => join(folder, name)).find(file => existsSync(file))
}

function missing (name: string, found: string | undefined): string | false {
  if (found !== undefined) return false
  const reason = `${name} is not installed here, so that no private one can be started.`
  if (process.env.FASTIFY_CLOVER_REQUIRE_SERVICES === '1') throw new Error(reason)
  return reason
}

/** A folder that is gone when the test ends. */
export function temporaryFolder (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'clover-faults-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  return folder
}

function idOf (option: '-u' | '-g', user: string): number {
  return Number(execFileSync('id', [option, user], { encoding: 'utf8' }))
}

async function accepts (port: number): Promise<boolean> {
  return await new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false)).once('close', () => socket.destroy())
    socket.once('connect', () => socket.destroy())
  })
}
