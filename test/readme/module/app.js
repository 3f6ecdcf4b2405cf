import { DatabaseSync } from '@photostructure/sqlite' // Node 22.13 and later have the same in node:sqlite
import clover from 'fastify-clover'
import { sqliteStorage } from 'fastify-clover/storage'

const { CLOVER_ENVIRONMENT, CLOVER_APP_ID, CLOVER_APP_SECRET, CLOVER_SIMULATOR, COOKIE_SECRET, BASE_URL, DATABASE = 'clover.sqlite' } = process.env

/** The options of the Fastify instance. */
export const options = { logger: { level: 'warn' } }

export default async function app (fastify) {
  const database = new DatabaseSync(DATABASE)
  fastify.addHook('onClose', () => { database.close() })

  await fastify.register(clover, {
    environment: CLOVER_SIMULATOR // for tests: the address of a simulator
      ? { name: 'simulator', authorize: CLOVER_SIMULATOR, api: CLOVER_SIMULATOR, legacy: CLOVER_SIMULATOR }
      : CLOVER_ENVIRONMENT,
    appId: CLOVER_APP_ID,
    appSecret: CLOVER_APP_SECRET,
    storage: sqliteStorage(database),
    cookieSecret: COOKIE_SECRET,
    baseUrl: BASE_URL,
    routes: { refresh: false }
  })

  // Here, inside of this function, goes what uses fastify.clover: handlers, gauges, jobs.
}
