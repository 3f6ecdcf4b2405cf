import type { TokenPair } from '../clover/wire.js'
import { dueAt, type Installation } from './installation.js'
import { limits } from './freshness.js'

/*
 * The changes that the rules make to a record. Each makes a new document with a new revision and keeps every field it does not
 * know. Times are Unix seconds by Clover's clock.
 */

/** @internal A pair that Clover gave, and how it was obtained. */
export interface ObtainedPair extends TokenPair {
  /** The refresh token that was presented to Clover for this pair. */
  presented: string
  /** The pair came from recovery. */
  recovered: boolean
  /** A recovery of the presented token may still reach Clover, and would end this pair. */
  isDoubtful: boolean
}

/** Seconds after which a doubtful pair is refreshed once more. A request that Clover handles later than that is not expected. */
const confirmAfter = limits.confirmation

/** @internal Makes records. `random` gives n random bytes as lower-case hexadecimal digits. */
export class RecordMaker {
  readonly #random: (bytes: number) => string

  constructor (random: (bytes: number) => string) {
    this.#random = random
  }

  /** An identifier of its own for an attempt or a connection. */
  id (): string {
    return this.#random(16)
  }

  /** A record made by an authorization: nothing of an earlier one is kept. */
  connected (merchant: Pick<Installation, 'merchantId' | 'appId' | 'environment' | 'flow'>, pair: TokenPair, connectionId: string, now: number): Installation {
    return this.#seal({ ...merchant, ...tokensOf(pair), connectionId, connectedAt: Math.floor(now), updatedAt: Math.floor(now) })
  }

  /** The same connection, after its merchant authorized once more and kept the tokens. `visitId` names that authorization. */
  returned (record: Installation, visitId: string, now: number): Installation {
    return this.#seal({ ...record, visitId, returnedAt: Math.floor(now) })
  }

  /** The intent to refresh, written before Clover is called. */
  leased (record: Installation, by: string, until: number): Installation {
    return this.#seal({ ...record, refreshLease: { by, until: Math.ceil(until) } })
  }

  /** The record as it was before a lease was written, with the lease that it had then, if any. */
  unleased (record: Installation, before: Installation['refreshLease']): Installation {
    const { refreshLease, ...kept } = record
    return this.#seal({ ...kept, ...(before && { refreshLease: before }) })
  }

  /** A new pair: ends the lease, any mark, and what the pair before had to be confirmed for. */
  withPair (record: Installation, { presented, recovered, isDoubtful, ...pair }: ObtainedPair, now: number): Installation {
    const { refreshLease, reauthorizationRequired, recovered: before, confirmAt, ...kept } = record
    return this.#seal({
      ...kept,
      ...tokensOf(pair),
      spentRefreshToken: presented,
      ...(recovered && { recovered }),
      ...(isDoubtful && { confirmAt: Math.ceil(now + confirmAfter) }),
      updatedAt: Math.floor(now)
    })
  }

  /** The mark that Clover refused every stored token; the time to the next try doubles from a minute to a day. */
  marked (record: Installation, now: number): Installation {
    const { refreshLease, ...kept } = record
    // A wrong clock may have dated the mark before in the future: the time to the next try would not grow.
    const since = Math.min(record.reauthorizationRequired?.since ?? now, Math.floor(now))
    const wait = Math.min(limits.mark, Math.max(60, now - since))
    return this.#seal({ ...kept, reauthorizationRequired: { since, retryAt: Math.ceil(now + wait) } })
  }

  /** The merchant's public key for ecommerce; undefined takes it away. All else stays, a lease above all. */
  withEcommerceKey (record: Installation, key: string | undefined): Installation {
    const { ecommercePublicKey, ...kept } = record
    return this.#seal({ ...kept, ...(key !== undefined && { ecommercePublicKey: key }) })
  }

  #seal (record: Omit<Installation, 'dueAt' | 'revision'>): Installation {
    const revision = this.#random(16)
    return { ...record, dueAt: dueAt({ ...record, revision }), revision }
  }
}

/** The fields of a pair alone, so that nothing else a caller's object carries gets into a record. */
function tokensOf ({ accessToken, accessTokenExpiration, refreshToken, refreshTokenExpiration }: TokenPair): TokenPair {
  return { accessToken, accessTokenExpiration, refreshToken, refreshTokenExpiration }
}
