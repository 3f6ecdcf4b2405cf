/* The short blocks of the guide to testing: type-checked, never run. */
import test from 'node:test'
import type { FastifyInstance } from 'fastify'
import type { CloverStorage } from 'fastify-clover'
import { cloverSimulator } from 'fastify-clover/testing'
import { storageConformance } from 'fastify-clover/testing'
import type { CloverSimulator } from 'fastify-clover/testing'

export async function useSimulator (): Promise<readonly [string | undefined, string]> {
  const simulator = await cloverSimulator({ accessTokenLifetime: 60 })
  const [app] = simulator.apps // its id and secret
  const { code } = simulator.authorize({ merchantId: 'MERCHANT00001' }) // as if the merchant had approved
  simulator.fault({ on: 'refresh', kind: 'drop-after' }) // the token is spent, and the answer is lost
  simulator.count('refresh') // how many came
  await simulator.close()
  return [app?.id, code]
}

export async function connect (app: FastifyInstance, simulator: CloverSimulator): Promise<void> {
  const pair = simulator.connect({ merchantId: 'MERCHANT00001' })
  await app.clover.adopt({
    merchantId: 'MERCHANT00001',
    accessToken: pair.access_token,
    accessTokenExpiration: pair.access_token_expiration,
    refreshToken: pair.refresh_token,
    refreshTokenExpiration: pair.refresh_token_expiration
  })
}

export function conformance<Pool> (pool: Pool, anotherPool: Pool, own: {
  myStorage: (pool: Pool, table: string) => CloverStorage
  freshTable: () => Promise<string>
  lockTable: (table: string) => Promise<() => Promise<void>>
  dropTable: (table: string) => Promise<void>
}): void {
  const { myStorage, freshTable, lockTable, dropTable } = own
  const cases = storageConformance(async () => {
    const table = await freshTable()
    return {
      storage: myStorage(pool, table),
      another: myStorage(anotherPool, table), // as a second server would have it
      lock: () => lockTable(table), // on a third connection; resolves with a function that ends the lock
      cleanup: () => dropTable(table)
    }
  })
  for (const { name, run } of cases) test(name, run)
}
