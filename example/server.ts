/*
 * Starts Daybook, an example of an app for Clover merchants: `npm start`. With CLOVER_APP_ID it is one server for the real Clover; without, the lab.
 *
 * Read next: app.ts registers the plugin, routes/shop.ts uses it, shop-data.ts reads Clover's API with its tokens; lab/start.ts starts the lab.
 */
import { buildApp } from './app.js'
import { checkDatabase } from './database.js'
import { startLab } from './lab/start.js'
import { BadSettings, readLabSettings, type Settings } from './settings.js'
import { connectToClover } from './simulator.js'
import { onStop } from './stop.js'

async function start (): Promise<void> {
  const settings = readLabSettings(process.env)
  if (!settings.realClover) {
    const lab = await startLab(settings)
    onStop(() => { lab.close().finally(() => process.exit()) })
    console.log(`Open ${settings.baseUrl} and connect a shop, or ${settings.baseUrl}/lab to try to lose one.`)
    console.log(`The Clover simulator is at ${lab.dashboard}: its dashboard opens the app as Clover's does.`)
  } else {
    await startServer(settings)
    console.log(`Open ${settings.baseUrl} and connect a shop.`)
  }
  console.log(`The operator's page is ${settings.baseUrl}/operator, its password ${settings.operatorPassword}`)
}

/** One server, for the real Clover. */
async function startServer (settings: Settings): Promise<void> {
  checkDatabase(settings.database)
  const app = await buildApp(settings, await connectToClover(settings))
  try {
    await app.listen({ host: settings.host, port: settings.port })
  } catch (error) {
    await app.close()
    throw error
  }
  // Closing waits until refreshes in progress are finished and stored.
  onStop(() => { app.close() })
}

/** What to do about an error at the start; undefined for one that nobody expected. */
function advice (error: unknown): string | undefined {
  if (error instanceof BadSettings) return error.message
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE' && 'port' in error) {
    return `Port ${String(error.port)} is taken. Choose others: PORT=3010 SIMULATOR_PORT=3011 npm start`
  }
  return undefined
}

try {
  await start()
} catch (error) {
  console.error(advice(error) ?? error)
  process.exit(1)
}
