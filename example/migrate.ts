/*
 * Moves merchants from legacy tokens, from a CSV file with the columns merchantId and legacyToken:
 *
 *   npm run migrate -- legacy.csv
 *
 * Merchants who could not be moved are written to a file beside the first. Ctrl-C stops it cleanly, and the next run goes on. The exit code is
 * 0 after both; it is 1 for a setting that cannot be right.
 *
 * With CLOVER_APP_ID set it talks to the real Clover, like the example; otherwise, and without a file, to a simulator, which makes up
 * merchants (MERCHANTS, 1000 by default) and their file: the same ones at every start, so that here too the next run goes on. RATE is in
 * requests a second.
 */
import { createCipheriv } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, createWriteStream, mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { SingleBar } from 'cli-progress'
import { parse } from 'csv-parse'
import Fastify from 'fastify'
import clover, { type CloverOptions, type LegacyToken } from 'fastify-clover'
import { cloverSimulator, type CloverSimulator, type RandomSource } from 'fastify-clover/testing'
import { openDatabase } from './database.js'
import { BadSettings, readMigrationSettings, type MigrationSettings } from './settings.js'
import { onStop } from './stop.js'

const stop = new AbortController()
onStop(() => stop.abort())

const settings = read()
const [,, given] = process.argv
if (Boolean(given) !== Boolean(settings.realClover)) {
  console.error(given
    ? 'The merchants of a file are moved at the real Clover: set CLOVER_APP_ID and its companions. Without a file a simulator makes merchants up.'
    : 'CLOVER_APP_ID is set: name the file of your merchants\' legacy tokens.')
  process.exit(1)
}
const simulator = settings.realClover ? undefined : await cloverSimulator({ random: sameAtEveryStart() })
const file = given ?? fileURLToPath(new URL('data/legacy.csv', import.meta.url))
if (simulator) writeFile(simulator, settings.merchants)

const { database, storage } = openDatabase(settings.database, { isSimulated: simulator !== undefined, simulatorTable: 'simulator_migration' })
const app = Fastify({ logger: { level: settings.logLevel } })
app.addHook('onClose', async () => {
  database.close()
  await simulator?.close()
})
// The server keeps merchants connected; this command leaves Clover's limit of calls to the migration.
await app.register(clover, { ...credentials(), storage, routes: false, maxCalls: 16, keepAlive: false })

const rejectsFile = `${file.replace(/\.csv$/, '')}.rejected.csv`
const rejects = createWriteStream(rejectsFile).on('error', error => { throw error })
rejects.write('merchantId,outcome,reason\n')
const bar = new SingleBar({ format: '{bar} {value} of {total} | {speed} a second | {left} s left | {refused} refused, {failed} failed', etaBuffer: 1, noTTYOutput: true })
const total = await countRows()
bar.start(total, 0, { speed: '-', left: '-', refused: 0, failed: 0 })

const began = performance.now()
const counts = { migrated: 0, 'already-connected': 0, refused: 0, failed: 0 }
for await (const result of app.clover.migrateLegacy(rows(), {
  rate: settings.rate,
  concurrency: 8,
  total,
  signal: stop.signal,
  onProgress: ({ done, rate, timeLeft, refused, failed }) => bar.update(done, { speed: rate.toFixed(1), left: timeLeft?.toFixed(0) ?? '-', refused, failed })
})) {
  counts[result.outcome]++
  if (result.outcome === 'refused' || result.outcome === 'failed') {
    const isFull = !rejects.write(`${result.merchantId ?? `row ${result.index + 1}`},${result.outcome},"${result.reason.replaceAll('"', '""')}"\n`)
    if (isFull) await once(rejects, 'drain')
  }
}
const seconds = ((performance.now() - began) / 1000).toFixed(1)
bar.stop()
rejects.end()
await app.close()
const memory = Math.round(process.resourceUsage().maxRSS / 1024)
const { migrated, 'already-connected': before, refused, failed } = counts
console.log(`${total} merchants: ${migrated} moved, ${before} had a pair already, ${refused} refused, ${failed} failed; in ${seconds} seconds, with ${memory} MB of memory at most.`)
console.log(stop.signal.aborted ? 'Stopped: start it again to go on.' : `Who could not be moved is in ${rejectsFile}.`)

function read (): MigrationSettings {
  try {
    return readMigrationSettings(process.env)
  } catch (error) {
    if (!(error instanceof BadSettings)) throw error
    console.error(error.message)
    process.exit(1)
  }
}

/** Random bytes for the simulator alone, which nobody need guess: a key stream of zeros. */
function sameAtEveryStart (): RandomSource {
  const stream = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16))
  return size => stream.update(Buffer.alloc(size))
}

/** The rows of the file, as they are needed. */
function rows (): AsyncIterable<LegacyToken> {
  return pipeline(createReadStream(file), parse({ columns: true, trim: true }), () => {})
}

async function countRows (): Promise<number> {
  const source = rows()[Symbol.asyncIterator]()
  let count = 0
  while (!(await source.next()).done) count++
  return count
}

function credentials (): Pick<CloverOptions, 'environment' | 'appId' | 'appSecret'> {
  if (settings.realClover) {
    const { environment, appId, appSecret } = settings.realClover
    return { environment, appId, appSecret }
  }
  const [app] = simulator?.apps ?? []
  return { environment: simulator?.environment ?? 'sandbox', appId: app?.id, appSecret: app?.secret }
}

/** Merchants who have used the app in the v1 flow; one of a hundred has uninstalled it since. */
function writeFile (simulator: CloverSimulator, count: number): void {
  const lines = simulator.addMerchants(count).map((merchantId, i) => {
    const line = `${merchantId},${simulator.legacyToken({ merchantId })}\n`
    if (i % 100 === 99) simulator.uninstall(merchantId)
    return line
  })
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `merchantId,legacyToken\n${lines.join('')}`, { mode: 0o600 })
}
