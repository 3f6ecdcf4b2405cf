import type { FastifyReply, FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { webhookRefused } from '../errors.js'
import type { CloverEvent } from '../options/options.js'
import type { WebhookRoute } from '../options/resolve-routes.js'
import { isMerchantId } from '../installation.js'
import { CallSlots } from '../concurrency/call-slots.js'
import type { RouteContext } from './context.js'
import { setPrivateHeaders } from './pages.js'
import type { WebhookBody, WebhookEvent, WebhookVerification } from './schemas.js'
import { isVerification, webhookGuard } from './webhook-auth.js'

/** The largest body, in bytes: some ten thousand events. */
const bodyLimit = 1_048_576

/** The most merchants of one body that are disconnected at once. */
const atOnce = 8

/** The most events remembered from bodies that got an error, which Clover may send again. */
const mostRemembered = 20_000

/** @internal The webhook route: its options with the guard in front of the host's hooks, and its handler. */
export function webhookRoute ({ auth, onVerificationCode, ...options }: WebhookRoute, context: RouteContext) {
  const guard = webhookGuard(auth, context.onWebhookRefused)
  return {
    options: {
      ...options,
      bodyLimit,
      preParsing: [guard.preParsing, ...[options.preParsing ?? []].flat()],
      preValidation: [guard.preValidation, ...[options.preValidation ?? []].flat()]
    },
    handler: webhookHandler(context, onVerificationCode)
  }
}

function webhookHandler ({ app, disconnects, hooks, notifyHost, onWebhookRefused, onVerification }: RouteContext, onVerificationCode: WebhookRoute['onVerificationCode']) {
  /** Events already passed to the host although their body got an error: they are not passed again when Clover repeats the body. */
  const passedOn = new LRUCache<string, true>({ max: mostRemembered })

  return async function webhook (request: FastifyRequest<{ Body: WebhookVerification | WebhookBody }>, reply: FastifyReply): Promise<FastifyReply> {
    setPrivateHeaders(reply)
    const { body } = request
    // A verification is not authenticated, and needs no check: its code is only shown to an operator.
    if (isVerification(body)) verify(body.verificationCode)
    else await accept(body)
    return reply.code(200).send()
  }

  function verify (code: string): void {
    onVerification(onVerificationCode !== undefined)
    if (onVerificationCode) notifyHost('onVerificationCode', () => onVerificationCode(code))
  }

  async function accept ({ appId, merchants }: WebhookBody): Promise<void> {
    if (appId !== app.appId) {
      onWebhookRefused('it is for another app')
      throw webhookRefused('appId belongs to another app: check the App ID, and the webhook URL of each app in Clover\'s developer dashboard.', 400)
    }
    const events = Object.entries(merchants).filter(([merchantId]) => isMerchantId(merchantId))
      .flatMap(([merchantId, list]) => list.map(event => ({ merchantId, event, key: merchantId + JSON.stringify(event) })))
    const uninstalls = new Map<string, number>()
    for (const { merchantId, event, key } of events) {
      if (isUninstall(event)) uninstalls.set(merchantId, Math.max(event.ts, uninstalls.get(merchantId) ?? 0))
      else if (!passedOn.has(key)) pass(merchantId, event)
    }
    const failed = await disconnectAll(uninstalls)
    for (const { key } of events) {
      if (failed) passedOn.set(key, true)
      else passedOn.delete(key)
    }
    if (failed) throw failed.reason
  }

  function isUninstall ({ objectId, type }: WebhookEvent): boolean {
    return objectId === `A:${app.appId}` && type === 'DELETE'
  }

  function pass (merchantId: string, event: WebhookEvent): void {
    const { onEvent } = hooks
    if (onEvent) notifyHost('onEvent', () => onEvent(eventOf(merchantId, event)))
  }

  /** Disconnects merchants. `uninstalls`: when each uninstalled the app, in Unix milliseconds. Tries every one; resolves with the first failure. */
  async function disconnectAll (uninstalls: Map<string, number>): Promise<PromiseRejectedResult | undefined> {
    const slots = new CallSlots(atOnce)
    // Rounded down, so a connection of the same second counts as later. Wrongly keeping a merchant costs one failed call to Clover; wrongly
    // removing one costs a log-in.
    const outcomes = await Promise.allSettled([...uninstalls].map(([merchantId, ts]) => slots.run(() => disconnects.disconnect(merchantId, Math.floor(ts / 1000)))))
    return outcomes.find(outcome => outcome.status === 'rejected')
  }
}

function eventOf (merchantId: string, event: WebhookEvent): CloverEvent {
  const { objectId, type, ts } = event
  const colon = objectId.indexOf(':')
  return { merchantId, objectId, kind: objectId.slice(0, Math.max(0, colon)), id: objectId.slice(colon + 1), type, ts, raw: event }
}
