import { randomBytes, randomUUID } from 'node:crypto'
import type { CloverOptions } from 'fastify-clover'
import { cloverSimulator } from 'fastify-clover/testing'
import type { Settings } from './settings.js'

/** Clover, real or simulated: what the plugin needs to know of it, and what the app does. */
export interface Clover {
  options: Pick<CloverOptions, 'environment' | 'appId' | 'appSecret' | 'cookieSecret'>
  /** The Clover Auth Code, by which the app knows Clover's webhooks; undefined: the webhook route is still to be set up. */
  webhookAuth: string | undefined
  /** The simulator's dashboard; undefined for the real Clover. */
  dashboard?: string
  close (): Promise<void>
}

/** Clover as the settings say. Without an App ID a simulator is started, a Clover of one's own on localhost. */
export async function connectToClover ({ realClover, webhookAuth, simulatorPort, accessTokenLifetime, baseUrl }: Settings): Promise<Clover> {
  if (realClover) return { options: realClover, webhookAuth, close: async () => {} }

  const simulator = await cloverSimulator({
    port: simulatorPort,
    accessTokenLifetime,
    apps: [{
      id: 'DAYBOOKAPP001',
      name: 'Daybook',
      secret: randomBytes(16).toString('hex'),
      launchUrl: `${baseUrl}/clover/launch`,
      webhookUrl: `${baseUrl}/clover/webhook`,
      webhookAuth: randomUUID()
    }]
  })
  const [app] = simulator.apps
  return {
    options: { environment: simulator.environment, appId: app?.id, appSecret: app?.secret, cookieSecret: randomBytes(32).toString('hex') },
    webhookAuth: app?.webhookAuth,
    dashboard: simulator.origin,
    close: () => simulator.close()
  }
}
