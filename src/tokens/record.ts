import type { TokenPair } from '../clover/wire.js'
import type { Installation } from '../installation.js'
import { limits } from './freshness.js'

/*
 * The changes that the rules make to a record. Each makes a new document with a new revision and keeps every field that it does
 * not know. Times are Unix seconds by Clover's clock.
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

/** Seconds after which a doubtful pair is refreshed once more. Clover is not expected to handle a request later than that. */
const confirmAfter = limits.confirmation

/** @internal Makes records. */
export class RecordMaker {
  readonly #random: (bytes: number) => string
  readonly #deployment: string | undefined

  /**
   * @param random gives n random bytes as lower-case hexadecimal digits
   * @param deployment the deployment that each record is bound to; undefined: a record stays bound as it is
   */
  constructor (random: (bytes: number) => string, deployment?: string) {
    this.#random = random
    this.#deployment = deployment
  }

  /** A random identifier of an attempt, a visit or a connection. */
  id (): string {
    return this.#random(16)
  }

  /** A record made by an authorization: nothing of an earlier one is kept. */
  connected (merchant: Pick<Installation, 'merchantId' | 'appId' | 'environment' | 'flow'>, pair: TokenPair, connectionId: string, now: number): Installation {
    return this.#revised({ ...merchant, ...tokensOf(pair), connectionId, connectedAt: Math.floor(now), updatedAt: Math.floor(now) })
  }

  /**
   * The record of an authorization, in the place of another one. A server without a deployment keeps that of the other record: a forgotten option
   * must not unbind it.
   */
  replacing (next: Installation, replaced: { deployment?: string | undefined } | undefined): Installation {
    const deployment = this.#deployment ?? replaced?.deployment
    return deployment === undefined ? next : { ...next, deployment }
  }

  /** The same connection, after its merchant authorized once more and kept the tokens. `visitId` names that authorization. */
  returned (record: Installation, visitId: string, now: number): Installation {
    return this.#revised({ ...record, visitId, returnedAt: Math.floor(now) })
  }

  /**
   * The record with a lease, which is written before Clover is called. `until` in Unix seconds; `deadAfter` in seconds, if the attempt has a
   * heartbeat.
   */
  leased (record: Installation, by: string, until: number, deadAfter?: number): Installation {
    return this.#revised({ ...record, refreshLease: { by, until: Math.ceil(until), ...(deadAfter !== undefined && { deadAfter }) } })
  }

  /** The same record with a new revision: a heartbeat. */
  renewed (record: Installation): Installation {
    return this.#revised(record)
  }

  /** The record as it was before a lease was written, with the lease that it had then, if any. */
  unleased (record: Installation, before: Installation['refreshLease']): Installation {
    const { refreshLease, ...kept } = record
    return this.#revised({ ...kept, ...(before && { refreshLease: before }) })
  }

  /**
   * The record with a new pair, without the lease, the mark and the confirmation of the earlier pair. A doubtful pair gets a `confirmAt`
   * (rule 18).
   */
  withPair (record: Installation, { presented, recovered, isDoubtful, ...pair }: ObtainedPair, now: number): Installation {
    const { refreshLease, reauthorizationRequired, recovered: before, confirmAt, ...kept } = record
    return this.#revised({
      ...kept,
      ...tokensOf(pair),
      spentRefreshToken: presented,
      ...(recovered && { recovered }),
      ...(isDoubtful && { confirmAt: Math.ceil(now + confirmAfter) }),
      updatedAt: Math.floor(now)
    })
  }

  /** The record with the mark that Clover refused every stored token. The wait until the next try doubles from a minute to a day. */
  marked (record: Installation, now: number): Installation {
    const { refreshLease, ...kept } = record
    // A wrong clock may have dated the earlier mark in the future: then the wait would not grow.
    const since = Math.min(record.reauthorizationRequired?.since ?? now, Math.floor(now))
    const wait = Math.min(limits.mark, Math.max(60, now - since))
    return this.#revised({ ...kept, reauthorizationRequired: { since, retryAt: Math.ceil(now + wait) } })
  }

  /** The record with the merchant's public key for ecommerce; undefined removes the key. A lease stays. */
  withEcommerceKey (record: Installation, key: string | undefined): Installation {
    const { ecommercePublicKey, ...kept } = record
    return this.#revised({ ...kept, ...(key !== undefined && { ecommercePublicKey: key }) })
  }

  #revised (record: Omit<Installation, 'dueAt' | 'revision'>): Installation {
    const revision = this.#random(16)
    const bound = this.#deployment === undefined ? record : { ...record, deployment: this.#deployment }
    return { ...bound, dueAt: dueAt({ ...record, revision }), revision }
  }
}

/** Only the fields of a pair, so that no other property of a caller's object gets into a record. */
function tokensOf ({ accessToken, accessTokenExpiration, refreshToken, refreshTokenExpiration }: TokenPair): TokenPair {
  return { accessToken, accessTokenExpiration, refreshToken, refreshTokenExpiration }
}

/** Unix seconds: when keep-alive must check a record, which is the first of these that exists: lease, mark, confirmation, refresh token. */
function dueAt ({ refreshLease, reauthorizationRequired, confirmAt, refreshToken, refreshTokenExpiration, updatedAt }: Omit<Installation, 'dueAt'>): number | null {
  return refreshLease?.until ?? reauthorizationRequired?.retryAt ?? confirmAt ?? refreshTokenExpiration ??
    (refreshToken === null ? null : updatedAt + limits.unknownEnd)
}
