import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { requireMerchantId } from '../checks/arguments.js'
import { TokenReply } from '../clover/wire.js'
import { invalidOptions } from '../errors.js'
import type { Notify } from '../events/table.js'
import { MerchantId } from '../installation.js'
import type { MerchantBinding } from './merchant-binding.js'
import type { Placements } from './placements.js'
import { UnreadableRecord, type Store } from './store.js'

/** A pair of tokens that another integration holds, for `adopt()`. */
export const AdoptedTokens = Type.Object({
  /** The merchant: 13 characters of A-Z and 0-9. */
  merchantId: MerchantId,
  /** The access token. If it has not expired, Clover is asked whether it belongs to the merchant. */
  accessToken: TokenReply.properties.access_token,
  /** When the access token ends, in Unix seconds. */
  accessTokenExpiration: TokenReply.properties.access_token_expiration,
  /** The refresh token, which the other integration must not use again. */
  refreshToken: TokenReply.properties.refresh_token,
  /** When the refresh token ends, in Unix seconds. */
  refreshTokenExpiration: TokenReply.properties.refresh_token_expiration
}, { description: 'A pair of tokens that another integration holds' })
export type AdoptedTokens = Static<typeof AdoptedTokens>

/** @internal What {@link adopt} needs. */
export interface AdoptionDependencies {
  store: Pick<Store, 'find'>
  placements: Pick<Placements, 'prepare' | 'place'>
  binding: Pick<MerchantBinding, 'bind'>
  clock: { now (): number }
  notify: Notify
}

/**
 * @internal Backs `adopt()`: takes over a pair from another integration. Resolves with false, and changes nothing, if the merchant has
 * tokens that Clover has not refused.
 */
export async function adopt ({ store, placements, binding, clock, notify }: AdoptionDependencies, tokens: AdoptedTokens): Promise<boolean> {
  requireMerchantId(tokens?.merchantId)
  const wrong = Value.Errors(AdoptedTokens, tokens).First()
  if (wrong) throw invalidOptions([`adopt() needs merchantId, accessToken, refreshToken, and their expirations in Unix seconds: ${wrong.path.slice(1)} is wrong.`])
  const { merchantId, ...pair } = tokens
  const before = await store.find(merchantId)
  if (before !== undefined && !(before instanceof UnreadableRecord) && !before.reauthorizationRequired) return false
  // Clover cannot confirm the merchant of an expired token: the host is responsible for that.
  if (pair.accessTokenExpiration > clock.now()) await binding.bind(merchantId, pair)
  if (!await placements.place(placements.prepare(merchantId, pair, before))) return false
  notify({ type: 'connected', merchantId, isNew: before === undefined })
  return true
}
