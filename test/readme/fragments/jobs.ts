/* The short blocks of the guide to long work: type-checked, never run. */
import { createReadStream } from 'node:fs'
import { parse } from 'csv-parse' // npm install csv-parse
import type { FastifyInstance } from 'fastify'
import type { LegacyToken } from 'fastify-clover'

export async function migrate (app: FastifyInstance, signal: AbortSignal): Promise<void> {
  const file: AsyncIterable<LegacyToken> = createReadStream('legacy.csv').pipe(parse({ columns: true })) // merchantId,legacyToken
  for await (const result of app.clover.migrateLegacy(file, { signal })) {
    if (result.outcome === 'refused' || result.outcome === 'failed') console.error(result.merchantId, result.reason)
  }
}

export async function keepAlive (app: FastifyInstance): Promise<void> {
  const { refreshed, refused, failed } = await app.clover.keepAlive()
  console.log(`${refreshed} merchants refreshed, ${refused} must authorize again, ${failed} failed`)
}
