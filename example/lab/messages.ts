import type { DiagnosticsEvent } from 'fastify-clover'
import type { Settings } from '../settings.js'
import type { Clover } from '../simulator.js'

/** What a server process needs to start: sent, and not put into its environment or arguments, which other processes may read. */
export interface Start {
  settings: Settings
  clover: Omit<Clover, 'close'>
  /** What callers of the lab must present. */
  labKey: string
}

/** A pair that was issued to a merchant outside of this app. */
export interface Pair {
  merchantId: string
  accessToken: string
  accessTokenExpiration: number
  refreshToken: string
  refreshTokenExpiration: number
}

/** What the lab asks a server process. */
export type ToServer =
  | { type: 'start', start: Start }
  | { type: 'adopt', pairs: Pair[] }
  | { type: 'refresh', merchantId: string }

/** What a server process says. */
export type FromServer =
  | { type: 'loaded' }
  | { type: 'ready', origin: string }
  | { type: 'failed', reason: string }
  | { type: 'event', event: DiagnosticsEvent }
  | { type: 'adopted', count: number }
