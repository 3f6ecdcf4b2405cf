import type { FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import type { CloverEvent, CloverWebhookRouteOptions } from '../../src/options/options.js'
import type { CloverSimulator } from '../../src/testing/index.js'
import { highTrust, ordinaryOptions, startHost, type Host, type HostOptions } from './host.js'

/** A host that listens and whose webhook URL the simulator knows. */
export interface WebhookHost extends Host {
  url: string
  auth: string
  /** The arguments of `onEvent`, `onDisconnect` and `onVerificationCode`. */
  told: { events: CloverEvent[], disconnected: string[], codes: string[] }
  /** Posts to the route as Clover does, or with other headers. */
  post: (body: unknown, headers?: Record<string, string>) => Promise<{ status: number, body: string, headers: Headers }>
}

type Webhook = Partial<CloverWebhookRouteOptions>

/** Starts a host with the webhook route on, for the simulator's high-trust app. */
export async function startWebhookHost (t: Test, { webhook, options, ...more }: HostOptions & { webhook?: Webhook | ((clover: CloverSimulator) => Webhook) } = {}): Promise<WebhookHost> {
  const told: WebhookHost['told'] = { events: [], disconnected: [], codes: [] }
  const host = await startHost(t, {
    ...more,
    options: clover => ({
      onEvent: event => { told.events.push(event) },
      onDisconnect: ({ merchantId }) => { told.disconnected.push(merchantId) },
      ...(typeof options === 'function' ? options(clover) : options),
      routes: {
        ...ordinaryOptions(clover).routes,
        webhook: { auth: authOf(clover), onVerificationCode: code => { told.codes.push(code) }, ...(typeof webhook === 'function' ? webhook(clover) : webhook) }
      }
    })
  })
  const { app, clover } = host
  const url = `${await app.listen({ host: '127.0.0.1', port: 0 })}${more.prefix ?? ''}/clover/webhook`
  clover.setWebhookUrl(highTrust, url)
  const auth = authOf(clover)
  const post: WebhookHost['post'] = async (body, headers = { 'x-clover-auth': auth }) => {
    const reply = await fetch(url, {
      method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: typeof body === 'string' ? body : JSON.stringify(body)
    })
    return { status: reply.status, body: await reply.text(), headers: reply.headers }
  }
  return { ...host, url, auth, told, post }
}

/** The X-Clover-Auth of the simulator's first app. */
export function authOf (clover: CloverSimulator): string {
  return clover.apps[0].webhookAuth ?? ''
}

/** An event of the app itself, such as an uninstall. Time in Unix milliseconds. */
export function appEvent (type: 'CREATE' | 'UPDATE' | 'DELETE', ts: number) {
  return { objectId: `A:${highTrust}`, type, ts }
}

/** A guard that refuses everybody. */
export async function refuseAll (_request: FastifyRequest): Promise<never> {
  throw Object.assign(new Error('not from here'), { statusCode: 403 })
}
