import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import pg from 'pg'
import PgBoss from 'pg-boss'
import type { Test } from 'tap'
import { postgresStorage, redisStorage, type CloverStorage } from '../../src/storage/index.js'
import { findPrivateServers, type PrivateServer } from '../faults/private-servers.js'

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
}

/** An engine, and the host that uses it. */
export interface Engine {
  name: string
  /** The host, in example/hosts. */
  file: string
  /** For tap's option of the same name. */
  skip: string | false
  /** Starts a server. `env`: what leads the host to it. */
  start: (t: Test) => Promise<{ server: PrivateServer, env: Record<string, string>, open: (t: Test) => Promise<Queues> }>
}

const servers = findPrivateServers()

function engine (name: string, file: string, kind: 'postgres' | 'redis', variable: string, open: (t: Test, url: string) => Promise<Queues>): Engine {
  const found = servers.find(server => server.kind === kind)
  if (found === undefined) throw new Error(`no ${kind}`)
  return {
    name,
    file,
    skip: found.skip,
    async start (t) {
      const server = await found.make(t)
      const { url } = server.address(server.port) as { url: string }
      return { server, env: { [variable]: url }, open: t => open(t, url) }
    }
  }
}

export const engines: Engine[] = [
  engine('BullMQ', 'bullmq.ts', 'redis', 'REDIS_URL', openBullmq),
  engine('pg-boss', 'pg-boss.ts', 'postgres', 'PG_URL', openPgBoss)
]

async function openBullmq (t: Test, url: string): Promise<Queues> {
  const client = new Redis(url)
  const connection = { url }
  const due = new Queue('clover-due', { connection })
  const refreshes = new Queue<{ merchantId: string }>('clover-refresh', { connection })
  t.teardown(async () => { await Promise.all([due.close(), refreshes.close(), client.quit()]) })
  return {
    storage: redisStorage(client),
    requestPass: async () => { await due.add('due', {}) },
    passes: () => due.getCompletedCount(),
    schedules: () => due.getJobSchedulersCount(),
    waiting: async () => (await refreshes.getWaiting()).map(({ data }) => data.merchantId),
    toBeRetried: async () => (await refreshes.getDelayed()).map(({ data }) => data.merchantId),
    hurry: async () => { for (const job of await refreshes.getDelayed()) await job.promote() },
    open: () => refreshes.getJobCountByTypes('waiting', 'active', 'delayed', 'prioritized')
  }
}

async function openPgBoss (t: Test, connectionString: string): Promise<Queues> {
  const pool = new pg.Pool({ connectionString, max: 4 })
  const boss = new PgBoss({ db: { executeSql: (text, values) => pool.query(text, values) }, supervise: false, schedule: false })
  t.teardown(() => pool.end())
  const jobs = async (where: string) => (await pool.query<{ merchant: string }>(`select data->>'merchantId' as merchant from pgboss.job where ${where}`)).rows
  const merchants = async (state: string) => (await jobs(`name = 'clover-refresh' and state = '${state}'`)).map(({ merchant }) => merchant)
  return {
    storage: postgresStorage(pool),
    requestPass: async () => { await boss.send('clover-due', {}) },
    passes: async () => (await jobs("name = 'clover-due' and state = 'completed'")).length,
    schedules: async () => (await pool.query('select 1 from pgboss.schedule')).rows.length,
    waiting: () => merchants('created'),
    toBeRetried: () => merchants('retry'),
    hurry: async () => { await pool.query("update pgboss.job set start_after = now() where name = 'clover-refresh' and state = 'retry'") },
    open: async () => (await jobs("name = 'clover-refresh' and state < 'completed'")).length
  }
}
