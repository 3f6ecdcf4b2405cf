import type { VisitQueue } from '../concurrency/visit-queue.js'
import type { CloverClient } from '../clover/client.js'
import type { Installation } from '../installation.js'
import { AccessTokens } from './access-tokens.js'
import { adopt as adoptPair, type AdoptedTokens } from './adoption.js'
import type { RecordCache } from './cache.js'
import { Connections } from './connections.js'
import { Disconnects } from './disconnects.js'
import { MerchantBinding } from './merchant-binding.js'
import { Placements } from './placements.js'
import { Reader } from './reader.js'
import { PairWriter } from './pair-writer.js'
import { RefreshProtocol } from './refresh-protocol.js'
import type { RefreshDependencies } from './refresh-types.js'
import { Refreshes } from './refreshes.js'
import type { Store } from './store.js'
import { V1Tokens } from './v1-tokens.js'

/** @internal The dependencies of a server that refreshes its merchants' tokens. */
export interface RefreshingDependencies extends RefreshDependencies {
  /** Absent: every record is read from the store. */
  cache: RecordCache | undefined
}

/** @internal The dependencies of a server that connects and disconnects merchants. */
export interface ConnectingDependencies extends Omit<RefreshingDependencies, 'store' | 'clover' | 'cache'> {
  store: Pick<Store, 'find' | 'get' | 'put' | 'delete'>
  clover: Pick<CloverClient, 'exchange' | 'merchant'>
  refreshes: Refreshes
  reader: Reader
  identity: Pick<Installation, 'appId' | 'environment' | 'flow'>
  /** For the calls by which a visit proves itself: a stranger can cause them. */
  visits: Pick<VisitQueue, 'run'>
  /** `true`: the merchant id from the browser is trusted without asking Clover. */
  trustMerchantId: boolean
  /** Milliseconds: the longest wait of a caller. */
  maxWait: number
}

/** @internal The dependencies of a server that does all of it, and hands out access tokens. */
export interface TokensDependencies extends RefreshingDependencies, Omit<ConnectingDependencies, 'store' | 'clover' | 'refreshes' | 'reader'> {
  store: Store
  clover: Pick<CloverClient, 'exchange' | 'refresh' | 'recover' | 'merchant'>
  /** Seconds: minimum validity left on a returned token. */
  minValidity: number
  /** The last part of a token's life, from 0 to 1, in which it is refreshed in the background. */
  refreshAhead: number
  /** The URL at which a merchant's browser authorizes again; undefined without a launch route. */
  launchUrl: ((merchantId: string) => string) | undefined
}

/** @internal Wires everything that handles tokens. The plugin, the tests and the exploration all call this, or the two parts below. */
export function createTokens (dependencies: TokensDependencies) {
  const { reader, pairs, protocol, refreshes } = createRefreshing(dependencies)
  const connecting = createConnecting({ ...dependencies, reader, refreshes })
  const v1Tokens = new V1Tokens({ ...dependencies, reader })
  const accessTokens = new AccessTokens({ ...dependencies, reader, refreshes, v1Tokens })
  return { reader, pairs, protocol, refreshes, ...connecting, accessTokens }
}

/** @internal Wires what refreshes tokens: a reader of records, the protocol, and the refreshes of this process. */
export function createRefreshing (dependencies: RefreshingDependencies) {
  const reader = new Reader(dependencies.store, dependencies.cache)
  const pairs = new PairWriter(dependencies)
  const protocol = new RefreshProtocol({ ...dependencies, pairs })
  const refreshes = new Refreshes({ ...dependencies, protocol, pairs, onRecord: record => reader.keep(record) })
  return { reader, pairs, protocol, refreshes }
}

/** @internal Wires what connects and disconnects merchants, over what refreshes their tokens. */
export function createConnecting (dependencies: ConnectingDependencies) {
  const binding = new MerchantBinding(dependencies)
  const placements = new Placements(dependencies)
  const connections = new Connections({ ...dependencies, placements, binding })
  const disconnects = new Disconnects(dependencies)
  const adopt = (tokens: AdoptedTokens) => adoptPair({ ...dependencies, placements, binding }, tokens)
  return { binding, placements, connections, disconnects, adopt }
}
