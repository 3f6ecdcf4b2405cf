/* The short block of the guide to operations: type-checked, never run. */
import type { FastifyInstance } from 'fastify'
import type {} from 'fastify-clover'

export async function printProblems (app: FastifyInstance, merchantId: string): Promise<void> {
  for await (const { check, status, message, fix } of app.clover.diagnose({ merchantId })) {
    if (status === 'error' || status === 'warning') console.log(`${check}: ${message} ${fix ?? ''}`)
  }
}
