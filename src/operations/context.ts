import type { CloverApp } from '../clover/app.js'
import type { CloverClient } from '../clover/client.js'
import type { CloverHttp } from '../clover/http.js'
import type { ResolvedOptions } from '../options/resolve-options.js'
import type { Runtime } from '../runtime.js'
import type { AccessTokens } from '../tokens/access-tokens.js'
import type { RecordMaker } from '../tokens/record.js'
import type { Store } from '../tokens/store.js'
import type { Reach } from './reach.js'

/** @internal The public URL of each route; undefined for a route that is off, or if there is no `baseUrl`. */
export type PublicUrls = Record<'launch' | 'callback' | 'refresh' | 'webhook', string | undefined>

/** @internal The parts of a registration that `diagnose()` looks at. */
export interface DiagnosisParts {
  app: CloverApp
  options: ResolvedOptions
  urls: PublicUrls
  store: Store
  http: CloverHttp
  clover: Pick<CloverClient, 'merchant'>
  accessTokens: Pick<AccessTokens, 'accessToken'>
  make: RecordMaker
  /** Clover's clock, in Unix seconds. */
  clock: { now (): number }
  runtime: Pick<Runtime, 'fetch' | 'wallClock' | 'random'>
  /** Aborted when the server begins to close. */
  closing: AbortSignal
}

/** @internal What a check gets. */
export interface DiagnosisContext extends DiagnosisParts {
  /** The merchant to look at; undefined for none. */
  merchantId: string | undefined
  reach: Reach
  /** @throws the reason of the caller's signal, or FST_CLOVER_CLOSING, once the diagnosis is to stop */
  throwIfStopped (): void
  /** Aborted when the diagnosis is to stop. */
  stop: AbortSignal
}

/** @internal What the checks of the public addresses get. */
export type PublicContext = Pick<DiagnosisContext, 'app' | 'options' | 'urls' | 'reach'>
