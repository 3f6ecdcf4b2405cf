import { unclearError, type Answer } from '../clover/answer.js'
import type { CloverClient } from '../clover/client.js'
import type { CallSlots } from '../concurrency/call-slots.js'
import { SharedWork } from '../concurrency/shared-work.js'
import { within } from '../concurrency/within.js'
import { reauthorizationRequired } from '../errors.js'
import type { Notify } from '../events/table.js'
import type { Installation } from '../installation.js'
import { isRefusedFor, remaining } from './freshness.js'
import type { Reader } from './reader.js'
import type { RecordMaker } from './record.js'
import type { Store } from './store.js'

/** @internal What {@link V1Tokens} needs. */
export interface V1TokensDependencies {
  store: Pick<Store, 'put'>
  reader: Pick<Reader, 'keep'>
  clover: Pick<CloverClient, 'merchant'>
  clock: { now (): number }
  make: RecordMaker
  slots: Pick<CallSlots, 'run'>
  notify: Notify
  /** Milliseconds: the longest wait of a caller. */
  maxWait: number
  /** `true`: the app lacks the Read merchant permission. */
  trustMerchantId: boolean
}

/** @internal Access tokens of the v1 flow: they have no refresh token, and most have no end. */
export class V1Tokens {
  readonly #use: V1TokensDependencies
  /** Checks in progress, by merchant and token. */
  readonly #checks = new SharedWork<Answer<string>>()

  constructor (dependencies: V1TokensDependencies) {
    this.#use = dependencies
  }

  /**
   * The token of a v1 record. One that Clover rejected is tried at `/v3/merchants/{mId}`, since a 401 may also be a missing permission. Only a
   * token that is rejected there too marks the record.
   *
   * @param late makes the error of a caller who has waited for `maxWait`
   */
  async token (record: Installation, rejected: string | undefined, late: () => Error, signal?: AbortSignal): Promise<string> {
    const { clock, maxWait, trustMerchantId } = this.#use
    const { merchantId, accessToken, reauthorizationRequired: mark } = record
    if (isRefusedFor(mark, clock.now())) throw reauthorizationRequired(merchantId)
    if (accessToken !== rejected) {
      if (remaining(record, clock.now()) > 0) return accessToken
      throw reauthorizationRequired(merchantId)
    }
    // Without the Read merchant permission the call proves nothing: this caller must launch, and the token stays for the others.
    if (trustMerchantId) throw reauthorizationRequired(merchantId)
    const answer = await within(this.#check(merchantId, accessToken), maxWait, late, signal)
    if (answer.outcome === 'unclear') throw unclearError(answer, merchantId)
    if (answer.outcome === 'ok' || answer.status !== 401) return accessToken
    await this.#mark(record)
    throw reauthorizationRequired(merchantId)
  }

  async #mark (record: Installation): Promise<void> {
    const { store, reader, make, clock, notify } = this.#use
    const next = make.marked(record, clock.now())
    if (!await store.put(next, record.revision)) return
    reader.keep(next)
    const { since, retryAt } = next.reauthorizationRequired as NonNullable<Installation['reauthorizationRequired']>
    notify({ type: 'reauthorization-required', merchantId: record.merchantId, since, retryAt, first: record.reauthorizationRequired === undefined })
  }

  /** Asks Clover for the merchant of a token, once for all calls about the same token. */
  #check (merchantId: string, accessToken: string): Promise<Answer<string>> {
    const { clover, slots } = this.#use
    return this.#checks.run(`${merchantId} ${accessToken}`, () => slots.run(() => clover.merchant(merchantId, accessToken)))
  }
}
