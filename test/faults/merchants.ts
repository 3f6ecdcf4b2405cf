import { setTimeout } from 'node:timers/promises'
import { isCloverError } from '../../src/errors.js'
import type { CloverStorage, Installation } from '../../src/storage/contract.js'
import type { CloverSimulator } from '../../src/testing/index.js'
import { startServer, type ServerPlan } from './server.js'
import { openStore, type StoreAddress } from './stores.js'

export const highTrust = 'SIMULATORAPP1'
export const lowTrust = 'SIMULATORAPP2'

/** A plan of a server for one of the simulator's apps. */
export function planFor (clover: CloverSimulator, changes: Partial<ServerPlan> = {}): ServerPlan {
  const { appId = highTrust } = changes
  const app = clover.apps.find(({ id }) => id === appId)
  if (app === undefined) throw new Error(`no app ${appId}`)
  return { environment: clover.environment, appId, appSecret: app.secret, ...changes }
}

/** What a merchant's record says of its access token, in seconds from now. */
export interface Age {
  /** Default: since half an hour. */
  updated?: number
  /** Default: dead since ten seconds. */
  expires?: number
}

/** Connects merchants at Clover and in the store; their access tokens are stale unless said otherwise. */
export async function connectMerchants (clover: CloverSimulator, storage: CloverStorage, appId: string, count: number, age: Age = {}): Promise<string[]> {
  const merchants = clover.addMerchants(count)
  // One after another, so that the first call makes the table.
  for (const merchantId of merchants) await storage.put(recordOf(clover, merchantId, appId, age), undefined)
  return merchants
}

/** Whom of these merchants nobody can serve any more, and why: asked of a server that has just started. */
export async function findLost (clover: CloverSimulator, plan: ServerPlan, address: StoreAddress, merchants: readonly string[]): Promise<string[]> {
  const { storage, close } = await openStore(address)
  const app = await startServer(plan, storage)
  try {
    const reasons = await Promise.all(merchants.map(async merchantId => {
      const before = await storage.get(merchantId)
      // The stored access token may live although the refresh token is dead: refused, it makes the server prove the whole pair.
      const token = await patiently(() => app.clover.accessToken(merchantId, { ...(before && { rejected: before.accessToken }) }))
      const after = await storage.get(merchantId)
      if (token instanceof Error) return `${merchantId}: ${token.message}`
      if (!clover.isLiveAccessToken(token)) return `${merchantId}: its access token is dead`
      return clover.isLive(after?.refreshToken ?? '') ? [] : `${merchantId}: its stored refresh token is dead`
    }))
    return reasons.flat()
  } finally {
    await app.close()
    await close()
  }
}

/** Tries again while the answer is that another try makes sense, half a minute at most: somebody else's lease must run out first, say. */
export async function patiently<T> (run: () => Promise<T>): Promise<T | Error> {
  const end = Date.now() + 30_000
  for (;;) {
    try {
      return await run()
    } catch (error) {
      const passes = isCloverError(error, 'FST_CLOVER_UNAVAILABLE') || isCloverError(error, 'FST_CLOVER_STORAGE')
      if (!passes || Date.now() > end) return error as Error
      await setTimeout(100)
    }
  }
}

function recordOf (clover: CloverSimulator, merchantId: string, appId: string, { updated = -1800, expires = -10 }: Age): Installation {
  const pair = clover.connect({ merchantId, appId })
  const now = Math.floor(Date.now() / 1000)
  return {
    merchantId,
    appId,
    environment: clover.environment.name,
    flow: 'v2',
    accessToken: pair.access_token,
    accessTokenExpiration: now + expires,
    refreshToken: pair.refresh_token,
    refreshTokenExpiration: pair.refresh_token_expiration,
    connectionId: `connection of ${merchantId}`,
    dueAt: pair.refresh_token_expiration,
    connectedAt: now + updated,
    updatedAt: now + updated,
    revision: '0'.repeat(32)
  }
}
