/**
 * @internal What happens to a merchant's tokens, for logs and notices. No event holds a secret. Durations in milliseconds.
 */
export type TokenEvent =
  | { type: 'connected', merchantId: string, isNew: boolean }
  | { type: 'refreshed', merchantId: string, duration: number }
  | { type: 'recovered', merchantId: string, duration: number }
  | { type: 'refresh-refused', merchantId: string, status: number, recoveryAvailable: boolean }
  | { type: 'refresh-failed', merchantId: string, reason: string }
  | { type: 'pair-held', merchantId: string, reason: string }
  | { type: 'pair-written', merchantId: string }
  | { type: 'pair-dropped', merchantId: string }
  | { type: 'pair-abandoned', merchantId: string }
  | { type: 'reauthorization-required', merchantId: string, since: number, retryAt: number, first: boolean }
  | { type: 'merchant-mismatch', merchantId: string }
  | { type: 'disconnected', merchantId: string }

/** @internal */
export type Notify = (event: TokenEvent) => void
