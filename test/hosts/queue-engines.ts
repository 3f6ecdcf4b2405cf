import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import pg from 'pg'
import PgBoss from 'pg-boss'
import type { Test } from 'tap'
import { postgresStorage, redisStorage, type CloverStorage } from '../../src/storage/index.js'
import { findPrivateServers, type PrivateServer } from '../faults/private-servers.js'
import { uniqueName } from '../harness/services.js'

/*
 * The two engines that the hosts in example/hosts have their queues in, as a test sees them: each on a server of its own, which the test may stop.
 */

/** The queues of a host, and its store. */
export interface Queues {
  storage: CloverStorage
  /** Asks for a pass over all merchants, as the schedule does. */
  requestPass: () => Promise<void>
  /** How many passes are done. */
  passes: () => Promise<number>
  /** The schedules of passes, however many workers have asked for one. */
  schedules: () => Promise<number>
  /** The merchants of the jobs that wait and were not begun yet. */
  waiting: () => Promise<string[]>
  /** The merchants of the jobs that are to be tried again later. */
  toBeRetried: () => Promise<string[]>
  /** Lets the jobs that are to be tried again begin now, as if their time had come. */
  hurry: () => Promise<void>
  /** How many jobs of merchants are not done. */
  open: () => Promise<number>
  /** How many events are not handled, as far as the queue knows. */
  openEvents: () => Promise<number>
}

/** An engine, and the host that uses it. */
export interface Engine {
  name: string
  /** The host, in example/hosts. */
  file: string
  /** For tap's option of the same name. */
  skip: string | false
  /** Starts its server. `newDatabase` makes an empty database there, which `env` leads the host to. */
  start: (t: Test) => Promise<{ server: PrivateServer, newDatabase: (t: Test) => Promise<{ env: Record<string, string>, queues: Queues }> }>
}

const servers = findPrivateServers()

export const engines: Engine[] = [
  {
    name: 'BullMQ',
    file: 'bullmq.ts',
    ...on('redis', port => {
      let databases = 0
      return async t => {
        const url = `redis://127.0.0.1:${port}/${databases++}`
        return { env: { REDIS_URL: url }, queues: openBullmq(t, url) }
      }
    })
  },
  {
    name: 'pg-boss',
    file: 'pg-boss.ts',
    ...on('postgres', port => async t => {
      const database = uniqueName('queues')
      const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
      await client.connect()
      await client.query(`create database ${database}`)
      await client.end()
      // Only processes crash here, so nobody waits for the disk.
      const url = `postgres://postgres@127.0.0.1:${port}/${database}?options=-c%20synchronous_commit%3Doff`
      return { env: { PG_URL: url }, queues: openPgBoss(t, url) }
    })
  }
]

function on (kind: 'redis' | 'postgres', newDatabaseAt: (port: number) => (t: Test) => Promise<{ env: Record<string, string>, queues: Queues }>): Pick<Engine, 'skip' | 'start'> {
  const found = servers.find(server => server.kind === kind)
  if (found === undefined) throw new Error(`no ${kind}`)
  return {
    skip: found.skip,
    async start (t) {
      const server = await found.make(t)
      return { server, newDatabase: newDatabaseAt(server.port) }
    }
  }
}

function openBullmq (t: Test, url: string): Queues {
  const client = new Redis(url)
  const connection = { url }
  const due = new Queue('clover-due', { connection })
  const refreshes = new Queue<{ merchantId: string }>('clover-refresh', { connection })
  const events = new Queue('clover-events', { connection })
  for (const queue of [client, due, refreshes, events]) queue.on('error', () => {}) // a test stops the server
  t.teardown(async () => { await Promise.all([due.close(), refreshes.close(), events.close(), client.quit()]) })
  return {
    storage: redisStorage(client),
    requestPass: async () => { await due.add('due', {}) },
    passes: () => due.getCompletedCount(),
    schedules: () => due.getJobSchedulersCount(),
    waiting: async () => (await refreshes.getWaiting()).map(({ data }) => data.merchantId),
    toBeRetried: async () => (await refreshes.getDelayed()).map(({ data }) => data.merchantId),
    hurry: async () => { for (const job of await refreshes.getDelayed()) await job.promote() },
    open: () => refreshes.getJobCountByTypes('waiting', 'active', 'delayed', 'prioritized'),
    openEvents: () => events.getJobCountByTypes('waiting', 'active', 'delayed', 'prioritized')
  }
}

function openPgBoss (t: Test, connectionString: string): Queues {
  const pool = new pg.Pool({ connectionString, max: 4 })
  pool.on('error', () => {}) // a test stops the server
  const boss = new PgBoss({ db: { executeSql: (text, values) => pool.query(text, values) }, supervise: false, schedule: false })
  t.teardown(() => pool.end())
  const count = async (from: string) => Number((await pool.query<{ count: string }>(`select count(*) from pgboss.${from}`)).rows[0]?.count)
  const merchants = async (state: string) => {
    const { rows } = await pool.query<{ merchant: string }>(`select data->>'merchantId' as merchant from pgboss.job where name = 'clover-refresh' and state = '${state}'`)
    return rows.map(({ merchant }) => merchant)
  }
  return {
    storage: postgresStorage(pool),
    requestPass: async () => { await boss.send('clover-due', {}) },
    passes: () => count("job where name = 'clover-due' and state = 'completed'"),
    schedules: () => count('schedule'),
    waiting: () => merchants('created'),
    toBeRetried: () => merchants('retry'),
    hurry: async () => { await pool.query("update pgboss.job set start_after = now() where name = 'clover-refresh' and state = 'retry'") },
    open: () => count("job where name = 'clover-refresh' and state < 'completed'"),
    openEvents: () => count("job where name = 'clover-events' and state < 'completed'")
  }
}
