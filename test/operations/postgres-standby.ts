import { execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import pg from 'pg'
import type { Test } from 'tap'
import { findPostgresFolder, giveToPostgres, program, temporaryFolder, untilItAnswers, type PrivateServer } from '../faults/private-servers.js'
import { freePort } from '../harness/ports.js'
import { until } from '../harness/waiting.js'

/** A standby of a private PostgreSQL, which follows it until it is paused. */
export interface Standby {
  port: number
  /** Waits until it has everything that the primary has, and then lets it apply nothing more. */
  pause (): Promise<void>
  resume (): Promise<void>
}

/** Starts a standby by streaming replication. */
export async function startStandby (t: Test, primary: PrivateServer): Promise<Standby> {
  const folder = String(findPostgresFolder())
  const data = temporaryFolder(t)
  const user = giveToPostgres(data)
  execFileSync(join(folder, 'pg_basebackup'), ['-h', '127.0.0.1', '-p', String(primary.port), '-U', 'postgres', '-D', join(data, 'data'), '-R', '-X', 'stream', '--no-sync', '-c', 'fast'], { ...user, cwd: data, stdio: 'ignore' })
  const port = await freePort()
  const server = program(t, port, data, {
    run: () => spawn(join(folder, 'postgres'), ['-D', join(data, 'data'), '-p', String(port), '-k', data, '-c', 'listen_addresses=127.0.0.1'], { ...user, cwd: data, stdio: 'ignore' }),
    stopSignal: 'SIGINT',
    crashSignal: 'SIGQUIT'
  })
  await server.start()
  await untilItAnswers(port)
  const [there, here] = [primary.port, port].map(port => new pg.Pool({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres', max: 1 })) as [pg.Pool, pg.Pool]
  for (const pool of [there, here]) {
    pool.on('error', () => {}) // the servers are ended before the pools
    t.teardown(() => pool.end())
  }
  return {
    port,
    async pause () {
      const { rows: [now] } = await there.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn')
      await until('the standby has followed', async () => (await here.query<{ done: boolean }>('SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS done', [now?.lsn])).rows[0]?.done === true)
      await here.query('SELECT pg_wal_replay_pause()')
    },
    async resume () {
      await here.query('SELECT pg_wal_replay_resume()')
    }
  }
}
