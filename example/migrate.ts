/*
 * Moves merchants from legacy tokens with `fastify-clover migrate`:
 *
 *   npm run migrate -- legacy.csv
 *
 * This file only chooses the arguments: in a project of your own, run `npx fastify-clover migrate app.js legacy.csv`.
 *
 * With CLOVER_APP_ID set it talks to the real Clover, like the example; otherwise, and without a file, to a simulator, which makes up
 * merchants (MERCHANTS, 1000 by default) and their file: the same ones at every start, so that here too the next run goes on. RATE is in
 * requests a second.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CloverSimulator } from 'fastify-clover/testing'
import { migrationClover } from './migration-clover.js'
import { BadSettings } from './settings.js'

const [,, given] = process.argv
const { settings, simulator } = await prepare()
const file = given ?? pathTo('data/legacy.csv')
if (simulator) writeFile(simulator, settings.merchants)

process.argv.splice(2, Infinity,
  'migrate', pathTo('migration-app.ts'), file,
  '--rate', String(settings.rate),
  '--concurrency', '8',
  '--rejects', `${file.replace(/\.csv$/, '')}.rejected.csv`)
await import(new URL('../dist/cli/main.js', import.meta.url).href)

/** Ends with the command's exit code for wrong usage if the settings cannot be right. */
async function prepare (): ReturnType<typeof migrationClover> {
  try {
    const clover = await migrationClover()
    if (Boolean(given) === Boolean(clover.settings.realClover)) return clover
    throw new BadSettings(given
      ? 'The merchants of a file are moved at the real Clover: set CLOVER_APP_ID and its companions. Without a file a simulator makes merchants up.'
      : 'CLOVER_APP_ID is set: name the file of your merchants\' legacy tokens.')
  } catch (error) {
    if (!(error instanceof BadSettings)) throw error
    console.error(error.message)
    process.exit(2)
  }
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

function pathTo (name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}
