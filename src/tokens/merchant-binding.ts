import { unclearError, type Answer } from '../clover/answer.js'
import type { CloverClient } from '../clover/client.js'
import type { TokenPair } from '../clover/wire.js'
import type { CallSlots } from '../concurrency/call-slots.js'
import { merchantMismatch, permissionMissing } from '../errors.js'
import type { Notify } from '../events/table.js'

/** @internal What {@link MerchantBinding} needs. */
export interface BindingDependencies {
  clover: Pick<CloverClient, 'merchant'>
  slots: Pick<CallSlots, 'run'>
  notify: Notify
  /** `true`: the merchant id from the browser is trusted without asking Clover. */
  trustMerchantId: boolean
}

/** @internal Runs a call to Clover: decides when it is made, and whether an unclear answer is retried. */
export type Ask = (call: () => Promise<Answer<string>>) => Promise<Answer<string>>

/** @internal Runs the call at once: for callers who have their turn in a queue already. */
export const atOnce: Ask = call => call()

/** @internal Checks whether a token belongs to the merchant that the browser named: a browser can name any merchant. */
export class MerchantBinding {
  readonly #use: BindingDependencies

  constructor (dependencies: BindingDependencies) {
    this.#use = dependencies
  }

  /**
   * Resolves if Clover confirms that the token belongs to this merchant (rule 13).
   *
   * @param ask by default the call waits for a slot
   * @throws FST_CLOVER_MERCHANT_MISMATCH, FST_CLOVER_PERMISSION, FST_CLOVER_UNAVAILABLE, FST_CLOVER_BAD_REPLY
   */
  async bind (merchantId: string, { accessToken }: Pick<TokenPair, 'accessToken'>, ask: Ask = call => this.#use.slots.run(call)): Promise<void> {
    const { clover, notify, trustMerchantId } = this.#use
    if (trustMerchantId) return
    const answer = await ask(() => clover.merchant(merchantId, accessToken))
    if (answer.outcome === 'unclear') throw unclearError(answer, merchantId)
    if (answer.outcome === 'ok' && answer.value === merchantId) return
    const reason = answer.outcome === 'ok'
      ? 'the token is another merchant\'s'
      : `Clover answers ${answer.status} to the token at /v3/merchants/{mId}`
    notify({ type: 'merchant-mismatch', merchantId, reason })
    throw answer.outcome === 'refused' && answer.status !== 404
      ? permissionMissing(merchantId, 'Read merchant')
      : merchantMismatch(merchantId)
  }
}
