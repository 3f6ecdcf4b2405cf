import type { InstallationSummary } from 'fastify-clover'
import { day, duration } from './format.js'
import { html, type Html } from './html.js'
import { freshness } from '../settings.js'

/** Seconds that the access token still lives, and that it lives in all; null for a token without an end, as v1 has them. */
export function lifeOf ({ accessTokenExpiration, updatedAt }: InstallationSummary): { left: number | null, lifetime: number | null } {
  if (accessTokenExpiration === null) return { left: null, lifetime: null }
  return { left: Math.max(0, Math.round(accessTokenExpiration - Date.now() / 1000)), lifetime: accessTokenExpiration - updatedAt }
}

/** Seconds left from which on the plugin refreshes a token that is asked for; a token of a few seconds is refreshed at half of its life. */
export function leftAtRefresh (lifetime: number): number {
  return Math.max(lifetime * freshness.refreshAhead, Math.min(lifetime / 2, freshness.minValidity))
}

/** The end of a token, enough to tell it from the one before and of no use to anybody. */
export function mask (token: string): string {
  return `••••${token.slice(-4)}`
}

/** How long the access token still lives; /tokens.js counts it down. */
export function countdown (installation: InstallationSummary): Html {
  const { left, lifetime } = lifeOf(installation)
  if (left === null || lifetime === null) return html`<p class="countdown"><span class="left">no end</span></p>`
  // A timer, and not an output, which a screen reader would read aloud each second.
  return html`<div class="countdown" data-left="${left}" data-lifetime="${lifetime}" data-low="${leftAtRefresh(lifetime)}">
<span class="left" role="timer" aria-label="Time left of the access token">${duration(left)}</span>
<progress max="${lifetime}" value="${left}" aria-label="Life left of the access token">${duration(left)}</progress>
</div>`
}

/** Until when the tokens live, as rows of a `dl`. The refresh token itself never leaves the plugin. */
export function expirations ({ accessTokenExpiration, refreshTokenExpiration }: InstallationSummary, maskedToken?: string): Html {
  return html`<dt>Access token</dt>
<dd>${until(accessTokenExpiration)}${maskedToken !== undefined && html`<small><code data-token>${maskedToken}</code></small>`}</dd>
<dt>Refresh token</dt>
<dd>${until(refreshTokenExpiration)}${refreshTokenExpiration !== null && html`<small>${timeLeft(refreshTokenExpiration)} left</small>`}</dd>`
}

function until (seconds: number | null): Html {
  return seconds === null ? html`no end known` : html`until <span data-until>${day(seconds * 1000)}</span>`
}

function timeLeft (expiration: number): string {
  const seconds = Math.max(0, expiration - Date.now() / 1000)
  return seconds < 172_800 ? duration(seconds) : `${Math.round(seconds / 86_400)} days`
}
