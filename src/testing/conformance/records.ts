import type { Installation } from '../../storage/contract.js'

let count = 0

/** A revision as the plugin makes it, new each time. */
export function newRevision (): string {
  count++
  return count.toString(16).padStart(8, '0').repeat(4)
}

/** A merchant id in Clover's form. */
export function merchant (number: number): string {
  return `M${String(number).padStart(12, '0')}`
}

/** A record as the plugin writes it, with a new revision. Default: of `merchant(1)`. */
export function record (fields: Partial<Installation> & Record<string, unknown> = {}): Installation {
  return {
    merchantId: merchant(1),
    appId: 'CONFORMANCE',
    environment: 'sandbox',
    flow: 'v2',
    accessToken: 'access-token-1',
    accessTokenExpiration: 1_900_000_000,
    refreshToken: 'refresh-token-1',
    refreshTokenExpiration: 1_930_000_000,
    connectionId: 'connection-1',
    dueAt: 1_930_000_000,
    connectedAt: 1_800_000_000,
    updatedAt: 1_800_000_000,
    revision: newRevision(),
    ...fields
  }
}

/** The next record of the same merchant, with a new revision. */
export function after (before: Installation, fields: Partial<Installation> & Record<string, unknown> = {}): Installation {
  return { ...before, revision: newRevision(), ...fields }
}
