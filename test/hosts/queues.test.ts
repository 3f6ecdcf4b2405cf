import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import type { CloverStorage, Installation } from '../../src/storage/contract.js'
import { cloverSimulator, type CloverSimulator } from '../../src/testing/index.js'
import { connectMerchants, highTrust } from '../faults/merchants.js'
import { freePort } from '../harness/ports.js'
import { onlyLong } from '../harness/share.js'
import { until } from '../harness/waiting.js'
import { compileHosts } from './compiled-hosts.js'
import { engines, type Queues } from './queue-engines.js'

/*
 * The hosts whose work is in a queue: web processes and workers of their own, on a database of their own, with the simulator in Clover's place.
 */

const root = fileURLToPath(new URL('../..', import.meta.url))
const webhookAuth = 'the webhook auth of a test'.replaceAll(' ', '-')
/** Seconds. A merchant connected two hours ago, whose refresh token still lives for an hour, is due. */
const [tokenLife, age] = [3600, { updated: -7200 }]

/** How many merchants the workers share: the kill of a worker must come while many wait. */
const many = 500

/** A process of a host. */
interface HostProcess {
  /** The lines that it has printed. */
  lines: string[]
  kill: () => Promise<void>
  /** Asks it to stop, and resolves with its exit code. */
  stop: () => Promise<number | null>
}

t.setTimeout(600_000)

for (const { name, file, skip, start } of engines) {
  t.test(name, { skip: skip || onlyLong }, async t => {
    const { server, newDatabase } = await start(t)
    const [script = ''] = await compileHosts(t, [file])
    const processes = new Set<ChildProcess>()
    t.teardown(async () => {
      for (const child of processes) child.kill('SIGKILL')
    })

    /** Starts a process of the host, and waits until it works. */
    async function run (role: 'web' | 'worker', env: Record<string, string>): Promise<HostProcess> {
      const child = spawn(process.execPath, [script], {
        cwd: root,
        env: {
          PATH: process.env.PATH,
          ROLE: role,
          ...env,
          _TAPJS_PROCESSINFO_COVERAGE_: '0' // what runs here is dist, whose coverage does not add up with that of src
        },
        stdio: ['ignore', 'pipe', 'pipe']
      })
      processes.add(child)
      const closed = once(child, 'close') as Promise<[number | null]>
      closed.then(() => processes.delete(child), () => {})
      let [printed, errors] = ['', '']
      const lines: string[] = []
      child.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        const parts = (printed + text).split('\n')
        printed = parts.pop() ?? ''
        lines.push(...parts)
      })
      await until(`${file} starts`, () => {
        if (child.exitCode !== null) throw new Error(`${file} ended with ${child.exitCode} and printed:\n${errors}`)
        return lines.length > 0
      })
      return {
        lines,
        async kill () {
          child.kill('SIGKILL')
          await closed
        },
        async stop () {
          child.kill('SIGTERM')
          const [code] = await closed
          if (code !== 0) t.comment(errors)
          return code
        }
      }
    }

    t.test(`${many} merchants, of whose two workers one is killed, are refreshed once each, and none is lost`, async t => {
      const { env: where, queues } = await newDatabase(t)
      const { clover, env } = await startClover(t, where)
      const merchants = await connectMerchants(clover, queues.storage, highTrust, many, age)

      const slow = await run('worker', { ...env, RATE: '1' })
      await until('the first pass', async () => await queues.passes() === 1)
      await queues.requestPass()
      await until('the second pass', async () => await queues.passes() === 2)
      const waiting = await queues.waiting()
      t.ok(waiting.length > 0.9 * many, `${waiting.length} jobs wait`)
      t.equal(new Set(waiting).size, waiting.length, 'no merchant waits twice')
      t.equal(await slow.stop(), 0)

      const [victim, survivor] = await Promise.all([run('worker', env), run('worker', env)])
      t.equal(await queues.schedules(), 1, 'three workers, one schedule')
      const refreshed = () => clover.count('refresh', { ok: true })
      const before = refreshed()
      await until('the workers refresh', () => refreshed() > before + many / 5)
      await victim.kill()
      const atKill = refreshed()
      const leasedAtKill = (await findLeased(queues.storage, merchants)).map(({ merchantId }) => merchantId)
      t.ok(atKill < many, `${atKill} refreshes when a worker was killed`)
      await until('only who was in progress is not done', async () => await queues.open() <= 2 * leasedAtKill.length) // a second pass may have added a job while one was in progress
      t.equal(await survivor.stop(), 0)

      // A refresh that the kill has cut left a lease in the record. It expires within a minute; then a retry of the job recovers the merchant, or the next pass.
      const cut = await expireLeases(queues.storage, merchants)
      t.comment(`${cut.length} refreshes were cut, ${cut.filter(merchantId => clover.count('refresh', { merchantId, ok: true }) > 0).length} of them after Clover had spent the token`)
      const passes = await queues.passes()
      const next = await run('worker', env)
      await queues.requestPass()
      await until('the next pass', async () => await queues.passes() > passes)
      await queues.hurry()
      await untilIdle(queues)
      t.equal(await next.stop(), 0)

      const notOnce = merchants.filter(merchantId => clover.count('refresh', { merchantId, ok: true }) !== 1)
      t.same(notOnce, [], 'each merchant was refreshed once')
      const recovered = merchants.filter(merchantId => clover.count('recovery', { merchantId }) > 0)
      t.same(recovered.filter(merchantId => !leasedAtKill.includes(merchantId)), [], 'only who was in progress at the kill is recovered')
      t.same(await findDead(clover, queues.storage, merchants), [], 'the stored refresh token of each is live')
    })

    t.test('a worker that stops finishes its jobs, and a refresh without an answer is tried again', async t => {
      const { env: where, queues } = await newDatabase(t)
      const { clover, env } = await startClover(t, { ...where, RETRY_DELAY: '3600', JOB_TIMEOUT: '60' })
      const merchants = await connectMerchants(clover, queues.storage, highTrust, 60, age)
      const [unlucky = '', ...others] = merchants
      const fault = clover.fault({ on: 'refresh', kind: 'status', status: 503, times: Infinity, merchantId: unlucky })

      const [first, second] = await Promise.all([run('worker', env), run('worker', env)])
      await until('everybody is queued', async () => await queues.passes() > 0)
      await until('the workers refresh', () => clover.count('refresh', { ok: true }) > 15)
      t.equal(await first.stop(), 0)
      await until('the others are refreshed', () => clover.count('refresh', { ok: true }) === others.length)
      await until('the refresh without an answer has ended', async () => (await queues.toBeRetried()).includes(unlucky))
      await until('every other job is done', async () => await queues.open() === (await queues.toBeRetried()).length)
      t.equal(await second.stop(), 0)
      t.same(await findDead(clover, queues.storage, merchants), [])
      t.same(await expireLeases(queues.storage, merchants), [unlucky])

      fault.clear()
      const third = await run('worker', env)
      await queues.hurry()
      await untilIdle(queues)
      t.equal(await third.stop(), 0)
      t.equal(clover.count('refresh', { merchantId: unlucky, ok: true }), 1)
      t.equal(clover.count('recovery'), 0)
    })

    t.test('events reach the queue before Clover is answered, and are handled once', async t => {
      const { env: where, queues } = await newDatabase(t)
      const { clover, env } = await startClover(t, where)
      const [merchantId = ''] = clover.addMerchants(1)
      const port = String(await freePort())
      const send = async (id: string) => (await clover.sendWebhook({ merchantId, events: [{ objectId: `O:${id}`, type: 'UPDATE', ts: 1_700_000_000_000 }] })).status
      clover.setWebhookUrl(highTrust, `http://localhost:${port}/clover/webhook`)

      const web = await run('web', { ...env, PORT: port })
      t.same(await Promise.all([send('WAITS'), send('WAITS')]), [200, 200], 'there is no worker')
      t.equal(await send('WAITS'), 200)
      const worker = await run('worker', env)
      const handled = (id: string) => worker.lines.filter(line => line === `Event: ${merchantId} O:${id} UPDATE`).length
      await until('what came while there was no worker is handled', () => handled('WAITS') > 0)
      t.equal(await send('WAITS'), 200, 'it comes again')
      t.equal(await send('NEXT'), 200)
      await until('the next event is handled', () => handled('NEXT') > 0)
      await until('and the queue knows', async () => await queues.openEvents() === 0)
      t.equal(handled('WAITS'), 1)

      await server.stop()
      t.equal(await send('REFUSED'), 503, 'the queue is down')
      await server.start()
      await until('the queue is up again', async () => await send('REFUSED') === 200)
      t.equal(await send('REFUSED'), 200)
      t.equal(await send('LAST'), 200)
      await until('what Clover sent again is handled', () => handled('REFUSED') > 0 && handled('LAST') > 0)
      await until('and the queue knows', async () => await queues.openEvents() === 0)
      t.equal(await worker.stop(), 0)
      t.same(['WAITS', 'NEXT', 'REFUSED', 'LAST'].map(handled), [1, 1, 1, 1])
      t.equal(await web.stop(), 0)
    })
  })
}

/** A Clover, and the settings of a host that is to talk to it. Nothing in them waits for long. */
async function startClover (t: Test, where: Record<string, string>) {
  const clover = await cloverSimulator({ apps: [{ id: highTrust, secret: 'simulator-secret', webhookAuth }], refreshTokenLifetime: tokenLife })
  t.teardown(() => clover.close())
  const env = { CLOVER_SIMULATOR: clover.origin, CLOVER_WEBHOOK_AUTH: webhookAuth, COOKIE_SECRET: 'x'.repeat(32), RATE: '200', RETRY_DELAY: '1', JOB_TIMEOUT: '2', ...where }
  return { clover, env }
}

/** Waits until no job of a merchant is left; as long as there are fewer and fewer, however long that takes. */
async function untilIdle ({ open }: Queues): Promise<void> {
  for (let left = await open(); left > 0;) {
    const before = left
    await until(`${before} jobs are left`, async () => (left = await open()) !== before)
  }
}

/** Ends the leases that refreshes without an answer have left, as a minute does that passes. Resolves with their merchants. */
async function expireLeases (storage: CloverStorage, merchants: string[]): Promise<string[]> {
  const leased = await findLeased(storage, merchants)
  for (const record of leased) {
    const refreshLease = { ...record.refreshLease, until: Math.floor(Date.now() / 1000) - 1 } as Installation['refreshLease']
    await storage.put({ ...record, refreshLease, revision: 'f'.repeat(32) } as Installation, record.revision)
  }
  return leased.map(({ merchantId }) => merchantId)
}

async function findLeased (storage: CloverStorage, merchants: string[]): Promise<Installation[]> {
  const records = (await Promise.all(merchants.map(merchantId => storage.get(merchantId)))) as Installation[]
  return records.filter(({ refreshLease }) => refreshLease)
}

/** The merchants whose stored refresh token no longer works. */
async function findDead (clover: CloverSimulator, storage: CloverStorage, merchants: string[]): Promise<string[]> {
  const alive = await Promise.all(merchants.map(async merchantId => clover.isLive((await storage.get(merchantId))?.refreshToken ?? '')))
  return merchants.filter((_, index) => !alive[index])
}
