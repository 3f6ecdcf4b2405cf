/*
 * The app whose merchants are moved: a Fastify plugin, as `fastify-clover migrate`, `keep-alive` and `status` load it. It need not be the module
 * that the server starts, only register fastify-clover with the same store.
 */
import type { FastifyInstance } from 'fastify'
import clover, { type CloverOptions } from 'fastify-clover'
import { openDatabase } from './database.js'
import { migrationClover, type MigrationClover } from './migration-clover.js'

export default async function (app: FastifyInstance): Promise<void> {
  const { settings, simulator } = await migrationClover()
  const { database, storage } = openDatabase(settings.database, simulator === undefined ? {} : { simulatorTable: 'simulator_migration', isTrial: true })
  app.addHook('onClose', async () => {
    database.close()
    await simulator?.close()
  })
  // The server keeps merchants connected; this command leaves Clover's limit of calls to the migration.
  await app.register(clover, { ...credentials({ settings, simulator }), storage, routes: false, maxCalls: 16, keepAlive: false })
}

/** The options of the Fastify instance. */
export const options = { logger: { level: process.env.LOG_LEVEL || 'warn' } }

function credentials ({ settings, simulator }: MigrationClover): Pick<CloverOptions, 'environment' | 'appId' | 'appSecret'> {
  if (settings.realClover) {
    const { environment, appId, appSecret } = settings.realClover
    return { environment, appId, appSecret }
  }
  const [app] = simulator?.apps ?? []
  return { environment: simulator?.environment ?? 'sandbox', appId: app?.id, appSecret: app?.secret }
}
