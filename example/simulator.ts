import { randomBytes, randomUUID } from 'node:crypto'
import type { CloverOptions } from 'fastify-clover'
import { cloverSimulator, type CloverSimulator } from 'fastify-clover/testing'
import type { Settings } from './settings.js'

/**
 * Milliseconds: a call to a Clover on localhost is given up early, so that the lease of a server that was killed ends while one watches; by default it has
 * 10 s, as calls over the internet need.
 */
const hasty = { callTimeout: 3_000 }

/** Clover, real or simulated: what the plugin needs to know of it, and what the app does. */
export interface Clover {
  options: Pick<CloverOptions, 'environment' | 'appId' | 'appSecret' | 'cookieSecret' | 'callTimeout'>
  /** The Clover Auth Code, by which the app knows Clover's webhooks; undefined: the webhook route is still to be set up. */
  webhookAuth: string | undefined
  /** The simulator's dashboard; undefined for the real Clover. */
  dashboard?: string
  close (): Promise<void>
}

/** The real Clover, or a simulator, a Clover of one's own on localhost, as the settings say. */
export async function connectToClover (settings: Settings): Promise<Clover> {
  const { realClover, webhookAuth } = settings
  if (realClover) return { options: realClover, webhookAuth, close: async () => {} }
  const { simulator, clover } = await startSimulator(settings)
  return { ...clover, close: () => simulator.close() }
}

/** Starts a simulator with the app in it. */
export async function startSimulator ({ simulatorPort, accessTokenLifetime, baseUrl }: Settings): Promise<{ simulator: CloverSimulator, clover: Omit<Clover, 'close'> }> {
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
    simulator,
    clover: {
      options: { environment: simulator.environment, appId: app?.id, appSecret: app?.secret, cookieSecret: randomBytes(32).toString('hex'), ...hasty },
      webhookAuth: app?.webhookAuth,
      dashboard: simulator.origin
    }
  }
}
