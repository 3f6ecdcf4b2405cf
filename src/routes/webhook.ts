import type { FastifyReply, FastifyRequest } from 'fastify'
import { LruMap } from 'toad-cache'
import { eventsNotTaken, webhookRefused } from '../errors.js'
import type { CloverEvent } from '../options/options.js'
import type { WebhookRoute } from '../options/resolve-routes.js'
import { isMerchantId } from '../installation.js'
import { CallSlots } from '../concurrency/call-slots.js'
import { awaitEvents } from './await-events.js'
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
export function webhookRoute ({ auth, onVerificationCode, awaitEvents: isAwaited, ...options }: WebhookRoute, context: RouteContext) {
  const guard = webhookGuard(auth, context.onWebhookRefused)
  return {
    options: {
      ...options,
      bodyLimit,
      preParsing: [guard.preParsing, ...[options.preParsing ?? []].flat()],
      preValidation: [guard.preValidation, ...[options.preValidation ?? []].flat()]
    },
    handler: webhookHandler(context, { onVerificationCode, isAwaited })
  }
}

interface HandlerOptions {
  onVerificationCode: WebhookRoute['onVerificationCode'] | undefined
  /** Clover is answered only when the host has taken every event. */
  isAwaited: boolean
}

/** An event of a body, with its merchant. */
interface Addressed {
  merchantId: string
  event: WebhookEvent
  /** The same for the same event of the same merchant. */
  key: string
}

function webhookHandler (
  { app, disconnects, hooks, notifyHost, onWebhookRefused, onVerification, sleep }: RouteContext,
  { onVerificationCode, isAwaited }: HandlerOptions
) {
  /** Events that the host has although their body got an error: they are not passed again when Clover repeats the body. */
  const passedOn = new LruMap<true>(mostRemembered)

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
    const events: Addressed[] = Object.entries(merchants).filter(([merchantId]) => isMerchantId(merchantId))
      .flatMap(([merchantId, list]) => list.map(event => ({ merchantId, event, key: merchantId + JSON.stringify(event) })))
    const uninstalls = new Map<string, number>()
    for (const { merchantId, event } of events) if (isUninstall(event)) uninstalls.set(merchantId, Math.max(event.ts, uninstalls.get(merchantId) ?? 0))
    const others = events.filter(({ event, key }) => !isUninstall(event) && passedOn.get(key) === undefined)
    // All together: an event that the host never takes must not keep a merchant from being disconnected.
    const [missed, failed] = await Promise.all([passAll(others), disconnectAll(uninstalls)])
    const missedKeys = new Set([...missed].map(({ key }) => key))
    for (const { key } of events) {
      if ((failed || missed.size > 0) && !missedKeys.has(key)) passedOn.set(key, true)
      else passedOn.delete(key)
    }
    if (failed) throw failed.reason
    if (missed.size > 0) throw eventsNotTaken(missed.size, others.length)
  }

  function isUninstall ({ objectId, type }: WebhookEvent): boolean {
    return objectId === `A:${app.appId}` && type === 'DELETE'
  }

  /** Passes events to the host. Resolves with those that it did not take; at once, with none, unless `isAwaited`. */
  async function passAll (events: Addressed[]): Promise<Set<Addressed>> {
    const { onEvent } = hooks
    if (onEvent === undefined) return new Set()
    const pass = ({ merchantId, event }: Addressed) => notifyHost('onEvent', () => onEvent(eventOf(merchantId, event)))
    if (isAwaited) return awaitEvents(events, pass, { sleep })
    for (const event of events) pass(event)
    return new Set()
  }

  /** Disconnects merchants. `uninstalls`: when each uninstalled the app, in Unix milliseconds. Tries every one; resolves with the first failure. */
  async function disconnectAll (uninstalls: Map<string, number>): Promise<PromiseRejectedResult | undefined> {
    const slots = new CallSlots(atOnce)
    // Rounded down, so a connection of the same second counts as later. Wrongly keeping a merchant costs one failed call to Clover; wrongly
    // removing one costs a log-in.
    const outcomes = await Promise.allSettled([...uninstalls].map(([merchantId, ts]) =>
      slots.run(() => disconnects.disconnect(merchantId, Math.floor(ts / 1000)))))
    return outcomes.find(outcome => outcome.status === 'rejected')
  }
}

function eventOf (merchantId: string, event: WebhookEvent): CloverEvent {
  const { objectId, type, ts } = event
  const colon = objectId.indexOf(':')
  return { merchantId, objectId, kind: objectId.slice(0, Math.max(0, colon)), id: objectId.slice(colon + 1), type, ts, raw: event }
}
