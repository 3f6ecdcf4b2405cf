/*
 * Starts Daybook, an example of an app for Clover merchants: `npm start`.
 *
 * Read next: app.ts registers the plugin, routes/shop.ts uses it, shop-data.ts reads Clover's API with its tokens.
 */
import { buildApp } from './app.js'
import { BadSettings, readSettings } from './settings.js'
import { connectToClover } from './simulator.js'
import { onStop } from './stop.js'

async function start (): Promise<void> {
  const settings = readSettings(process.env)
  const clover = await connectToClover(settings)
  const app = await buildApp(settings, clover)
  try {
    await app.listen({ host: settings.host, port: settings.port })
  } catch (error) {
    await app.close()
    throw error
  }

  // Closing waits until refreshes in progress are finished and stored.
  onStop(() => { app.close() })

  console.log(`Open ${settings.baseUrl} and connect a shop.`)
  if (clover.dashboard) console.log(`The Clover simulator is at ${clover.dashboard}: its dashboard opens the app as Clover's does.`)
  console.log(`The operator's page is ${settings.baseUrl}/operator, its password ${settings.operatorPassword}`)
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
