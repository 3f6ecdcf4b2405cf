import { SimulatorMisuse } from './errors.js'
import type { SimulatedApp } from './directory.js'
import type { WebhookBody, SimulatedWebhookEvent } from './wire.js'

/** An app's answer to a webhook. */
export interface WebhookAnswer {
  status: number
  /** The body that was sent. */
  body: object
}

/**
 * Posts webhooks to an app, each once and without a retry: Clover does not promise delivery.
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

  /** Posts to an app with a webhookUrl that it was installed (`CREATE`) or uninstalled (`DELETE`). Not awaited; failures are ignored. */
  announce (app: SimulatedApp, merchantId: string, type: SimulatedWebhookEvent['type']): void {
    if (app.webhookUrl === undefined) return
    this.send(app, { [merchantId]: [this.event(`A:${app.id}`, type)] }).catch(() => {})
  }

  /** An event with the current time. */
  event (objectId: string, type: SimulatedWebhookEvent['type']): SimulatedWebhookEvent {
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
