import { SimulatorMisuse } from './errors.js'
import type { SimulatedApp } from './directory.js'
import type { WebhookBody, WebhookEvent } from './wire.js'

/** What an app answered to a webhook. */
export interface WebhookAnswer {
  status: number
  /** What was sent. */
  body: object
}

/**
 * Posts webhooks to an app, once each: Clover does not promise to deliver them.
 *
 * Source: https://docs.clover.com/dev/docs/webhooks
 */
export class Webhooks {
  readonly #now: () => number

  /** @param now the time in milliseconds */
  constructor (now: () => number) {
    this.#now = now
  }

  /** Posts events, and resolves with the answer. Rejects if the app has no webhookUrl or does not answer within 10 seconds. */
  async send (app: SimulatedApp, merchants: WebhookBody['merchants']): Promise<WebhookAnswer> {
    return await post(app, { appId: app.id, merchants } satisfies WebhookBody, { 'x-clover-auth': app.webhookAuth })
  }

  /** Posts the verification, which carries no X-Clover-Auth. */
  async verify (app: SimulatedApp, verificationCode: string): Promise<WebhookAnswer> {
    return await post(app, { verificationCode }, {})
  }

  /** Tells an app that it was installed (`CREATE`) or uninstalled (`DELETE`), if it wants to know; nobody waits for it. */
  announce (app: SimulatedApp, merchantId: string, type: WebhookEvent['type']): void {
    if (app.webhookUrl === undefined) return
    this.send(app, { [merchantId]: [this.event(`A:${app.id}`, type)] }).catch(() => {})
  }

  /** An event of this moment. */
  event (objectId: string, type: WebhookEvent['type']): WebhookEvent {
    return { objectId, type, ts: Math.floor(this.#now()) }
  }
}

async function post ({ webhookUrl }: SimulatedApp, body: object, headers: Record<string, string>): Promise<WebhookAnswer> {
  if (webhookUrl === undefined) throw new SimulatorMisuse('The app has no webhookUrl.')
  const response = await fetch(webhookUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    redirect: 'manual',
    signal: AbortSignal.timeout(10_000)
  })
  await response.arrayBuffer()
  return { status: response.status, body }
}
