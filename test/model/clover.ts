import type { Setting } from './setting.js'
import { newToken, type Call, type Process, type Token, type World } from './world.js'

/*
 * Clover: a refresh token works once. Recovery takes the token that was spent for the one that works, and replaces that.
 */

/** Whether a refresh token works. */
export function isLive ({ chains }: World, token: Token): boolean {
  return token !== 0 && chains.some(({ live }) => live === token)
}

/** Whether Clover would recover with a token. */
export function isRecoverable ({ chains }: World, token: Token): boolean {
  return token !== 0 && chains.some(({ spent }) => spent === token)
}

/** The token that a process presents, or has presented. */
export function presentedBy ({ call, base, spent }: Process): Token {
  return call === 'recover the spent' ? spent : base
}

export function isRecovery (call: Call): boolean {
  return call !== 'refresh'
}

/** Whether a request, once Clover handles it, ends a token that works now. */
export function wouldEnd ({ chains }: World, isRecovery: boolean, presented: Token, token: Token): boolean {
  if (token === 0) return false
  return chains.some(({ live, spent }) => live === token && presented === (isRecovery ? spent : live))
}

/** Handles a request. Returns the new refresh token, or 0 if it is refused. */
export function handle (world: World, { trust, recovery }: Setting, isRecovery: boolean, presented: Token): Token {
  const chain = world.chains.find(({ live, spent }) => presented === (isRecovery ? spent : live))
  if (chain === undefined || presented === 0) return 0
  if (isRecovery && world.record?.token === chain.live) world.isKilled = true
  chain.live = newToken
  chain.spent = trust === 'low' || (isRecovery && recovery === 'once') ? 0 : presented
  return newToken
}

/** Exchanges an authorization code. Returns 0 where the model has no room for another authorization. */
export function authorize (world: World): Token {
  if (world.chains.length === 2) return 0
  world.chains.push({ live: newToken, spent: 0 })
  return newToken
}

/** Forgets what nobody can present any more. */
export function prune (world: World): void {
  for (const chain of world.chains) if (!isKnown(world, chain.spent)) chain.spent = 0
  if (world.chains.some(({ live, spent }) => spent === 0 && !isKnown(world, live))) {
    world.chains = world.chains.filter(({ live, spent }) => spent !== 0 || isKnown(world, live))
  }
}

function isKnown ({ record, lateRequest, lateWrite, processes, stale }: World, token: Token): boolean {
  if (token === 0) return false
  if (record?.token === token || record?.spent === token || lateRequest?.token === token || stale === token) return true
  if (lateWrite?.record.token === token || lateWrite?.record.spent === token) return true
  return processes.some(({ base, spent, pair, presented, callback }) => base === token || spent === token || pair === token || presented === token || callback.token === token)
}
