/* The short blocks of the guide to long work: type-checked, never run. */
import { createReadStream } from 'node:fs'
import { parse } from 'csv-parse' // npm install csv-parse
import type { FastifyInstance } from 'fastify'
import type { LegacyToken } from 'fastify-clover'

export async function migrate (app: FastifyInstance, signal: AbortSignal): Promise<void> {
  const file: AsyncIterable<LegacyToken> = createReadStream('legacy.csv').pipe(parse({ columns: true })) // merchantId,legacyToken
  for await (const result of app.clover.migrateLegacy(file, { signal })) {
    if (result.outcome === 'refused' || result.outcome === 'failed') app.log.error(result)
  }
}

interface Queue {
  add: (name: string, data: { merchantId: string }, options: { deduplicationId: string }) => Promise<unknown>
}

export async function schedule (app: FastifyInstance, queue: Queue): Promise<void> {
  // In a job that the scheduler starts every hour: one job for each merchant.
  for await (const merchantId of app.clover.due()) await queue.add('refresh', { merchantId }, { deduplicationId: merchantId })
}

export async function work (app: FastifyInstance, job: { data: { merchantId: string } }): Promise<void> {
  // In the worker:
  const outcome = await app.clover.refreshIfDue(job.data.merchantId)
  if (outcome === 'failed') throw new Error('no usable answer of Clover or of the store') // the queue tries again
}

export async function keepAlive (app: FastifyInstance): Promise<void> {
  const { refreshed, refused, failed } = await app.clover.keepAlive()
  console.log(`${refreshed} merchants refreshed, ${refused} must authorize again, ${failed} failed`)
}
