import { execFileSync } from 'node:child_process'
import { chownSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import { cloverSimulator } from '../../src/testing/index.js'
import { openSqlite } from '../harness/sqlite.js'
import { events } from '../harness/host.js'
import { Answers } from './answers.js'
import { connectMerchants, findLost, highTrust, lowTrust, planFor } from './merchants.js'
import { until } from '../harness/waiting.js'
import { findPrivateServers, type PrivateServer } from './private-servers.js'
import { startServer } from './server.js'
import { openStore, type StoreAddress } from './stores.js'

/*
 * The disk of a store is full, from the moment in which Clover has spent every refresh token: the pairs serve from memory, and are stored once there
 * is room again. The disk is a small one of a test's own, in memory.
 */

interface Disk {
  folder: string
  fill (): void | Promise<void>
  free (): void
}

/** A disk of some megabytes; only root may make one. */
function smallDisk (t: Test, megabytes: number): Disk {
  const folder = mkdtempSync(join(tmpdir(), 'clover-disk-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'none', folder])
  t.teardown(() => { execFileSync('umount', ['-l', folder]) })
  const filler = join(folder, 'filler')
  return {
    folder,
    fill () {
      // To the last block: writing ends with ENOSPC.
      const { bavail, bsize } = statfsSync(folder)
      writeFileSync(filler, Buffer.alloc(bavail * bsize))
    },
    free () { rmSync(filler) }
  }
}

function cannotMount (): string | false {
  const folder = mkdtempSync(join(tmpdir(), 'clover-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', folder], { stdio: 'ignore' })
    execFileSync('umount', [folder])
    return false
  } catch {
    return 'a small disk cannot be mounted here: only root may.'
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const merchantCount = 12
const skip = cannotMount()
const postgres = findPrivateServers().find(({ kind }) => kind === 'postgres')
const root = t
let server: PrivateServer | undefined

async function ridesOut (t: Test, appId: string, address: StoreAddress, disk: Disk): Promise<void> {
  const clover = await cloverSimulator()
  t.teardown(() => clover.close())
  const { storage, close } = await openStore(address)
  t.teardown(close)
  const merchants = await connectMerchants(clover, storage, appId, merchantCount)
  const logs: string[] = []
  const plan = planFor(clover, { appId, maxCalls: merchantCount })
  const answers = new Answers()
  const app = await startServer(plan, storage, { logs, runtime: { fetch: answers.fetch } })
  t.teardown(() => app.close())
  const count = (type: string) => events(logs).filter(({ event }) => event === type).length
  const asked = Promise.all(merchants.map(merchantId => app.clover.accessToken(merchantId)))
  asked.catch(() => {})
  await until('Clover has spent every refresh token', () => clover.count('refresh', { ok: true }) >= merchantCount)
  await disk.fill()
  answers.release()
  const tokens = await asked
  t.ok(tokens.every(token => clover.isLiveAccessToken(token)), 'everybody is served')
  t.ok(count('pair-held') > 0, `${count('pair-held')} of ${merchantCount} pairs are held`)
  t.same(await Promise.all(merchants.map(merchantId => app.clover.accessToken(merchantId))), tokens, 'from memory too')
  disk.free()
  await until('every pair is stored', () => count('pair-written') === count('pair-held'))
  for (const merchantId of merchants) t.ok(clover.isLive((await storage.get(merchantId))?.refreshToken ?? ''))
  await app.close()
  t.same(await findLost(clover, plan, address, merchants), [])
}

for (const appId of [highTrust, lowTrust]) {
  const trust = appId === lowTrust ? 'low' : 'high'
  for (const mode of ['WAL', 'DELETE'] as const) {
    t.test(`SQLite in ${mode} mode, ${trust} trust`, { skip }, async t => {
      const disk = smallDisk(t, 4)
      const file = join(disk.folder, 'store.db')
      const database = openSqlite(file)
      database.exec(`PRAGMA journal_mode = ${mode}`)
      database.close()
      await ridesOut(t, appId, { kind: 'sqlite', file }, disk)
    })
  }

  t.test(`PostgreSQL, ${trust} trust`, { skip: skip || (postgres?.skip ?? 'no PostgreSQL') }, async t => {
    const disk = smallDisk(t, 1)
    server ??= await postgres?.make(root)
    const made = server?.address(server.port)
    if (made?.kind !== 'postgres') return
    const address = { ...made, table: `installations_${trust}` }
    // Only the table lies on the small disk: PostgreSQL itself ends where its log has no room.
    const space = join(disk.folder, 'space')
    mkdirSync(space)
    chownSync(disk.folder, ...postgresUser())
    chownSync(space, ...postgresUser())
    const client = new pg.Client({ connectionString: address.url })
    await client.connect()
    await client.query(`CREATE TABLESPACE small_${trust} LOCATION '${space}'`)
    await client.query(`SET default_tablespace = small_${trust}`)
    await client.query(`CREATE TABLE ${address.table} (merchant_id text COLLATE "C" PRIMARY KEY, revision text COLLATE "C" NOT NULL, due_at double precision, document text NOT NULL)`)
    // Somebody's long transaction keeps the old versions of the rows, so that the new ones need pages of their own.
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await client.query(`SELECT count(*) FROM ${address.table}`)
    // Where several connections want a page at once, PostgreSQL takes some ahead: rows of nobody fill these, few and large ones first, since the index
    // needs room too.
    const fill = async () => {
      await disk.fill()
      const other = new pg.Client({ connectionString: address.url })
      await other.connect()
      const insert = `INSERT INTO ${address.table} SELECT gen_random_uuid()::text, '', 0, repeat('x', $1)`
      for (const length of [1900, 300]) {
        await t.rejects(async () => { for (;;) await other.query(insert, [length]) }, { code: '53100' }, 'no page is left')
      }
      await other.end()
    }
    await ridesOut(t, appId, address, { ...disk, fill })
    await client.end()
  })
}

/** The user that a test's PostgreSQL runs as. */
function postgresUser (): [uid: number, gid: number] {
  return [Number(execFileSync('id', ['-u', 'postgres'])), Number(execFileSync('id', ['-g', 'postgres']))]
}
