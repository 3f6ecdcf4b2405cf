import { type Test } from 'tap'
import type { TokenEvent } from '../../src/events/table.js'
import type { Installation } from '../../src/installation.js'
import { startServer, TestClover, TestStorage, merchantId, patiently, anotherServer, type ServerOptions } from './one-server.js'

/*
 * People who open an app that is connected (rule 9), with a Clover that keeps the newest refresh tokens of a merchant and ends the others.
 */

export interface ClusterOptions extends ServerOptions {
  /** How many servers share the store. */
  count?: number
  /** How many refresh tokens Clover keeps. */
  kept?: number
  alwaysGivesRefreshToken?: boolean
}

export function cluster (t: Test, { count = 1, kept = 3, alwaysGivesRefreshToken = false, ...options }: ClusterOptions = {}) {
  const storage = new TestStorage()
  const clover = new TestClover({ refreshTokensPerMerchant: kept, alwaysGivesRefreshToken })
  const first = startServer(t, { ...options, storage, clover })
  const servers = [first, ...Array.from({ length: count - 1 }, () => anotherServer({ ...options, storage, clover }))]
  const stored = () => storage.records.get(merchantId) as Installation
  const isAlive = () => clover.inner.isLive(stored().refreshToken) && !stored().reauthorizationRequired
  /** Another integration authorizes until Clover has ended every other refresh token. */
  const kill = () => { for (let i = 0; i < kept; i++) clover.inner.authorize(`stranger-${++names}`) }
  const events = (type: TokenEvent['type']) => servers.flatMap(each => each.eventsOf(type))
  return { ...first, first, servers, storage, clover, stored, isAlive, kill, events }
}

let names = 0
export const code = () => ({ code: `visit-${++names}`, verifier: '' })

/** Opens the app, and goes through Clover once more if the visit asks for it. */
export async function open ({ connections }: Pick<ReturnType<typeof anotherServer>, 'connections'>): Promise<{ isNew: boolean }> {
  const visit = await connections.connect(merchantId, code())
  const last = visit === 'needs-full-round' ? await connections.connect(merchantId, code(), true) : visit
  if (last === 'needs-full-round') throw new Error('a full round never ends with another')
  return last
}

export const eightAtOnce = ({ servers }: ReturnType<typeof cluster>) =>
  patiently(Promise.all(Array.from({ length: 8 }, (_, i) => open(servers[i % servers.length] as ReturnType<typeof anotherServer>))))
