import { highTrust, merchantA, merchantB } from '../harness/host.js'
import { join, must, type Flow } from './flow.js'
import { canaries, canary, type WatchedHost, type WatchedHostOptions } from './watched-host.js'

async function send (host: WatchedHost, payload: object | string, headers: Record<string, string> = {}, url = '/clover/webhook'): Promise<number> {
  const { statusCode } = await host.inject({ method: 'POST', url, payload, headers: { 'content-type': 'application/json', ...headers } })
  return statusCode
}

const uninstall = (host: WatchedHost) => ({ objectId: `A:${highTrust}`, type: 'DELETE', ts: host.time.now() + 60_000 })
const bodyOf = (merchants: object, appId = highTrust) => ({ appId, merchants })

/** Of the host that a flow has just begun: its Clover Auth Code, and the codes that it was told. */
let auth = ''
let codes: string[] = []

/** A host with the webhook route on. */
function begin (): WatchedHostOptions {
  auth = canary('webhook secret')
  codes = []
  const webhook = { auth: [canary('webhook secret'), auth], onVerificationCode: (code: string) => { codes.push(code) } }
  return { options: { routes: { refresh: { onRequest: async () => {} }, webhook } } }
}

/** Clover tells what happens at merchants'. */
export const webhooks: Flow[] = [
  {
    name: 'webhook: verification, with and without a secret beside it, and malformed',
    host: begin,
    run: async host => {
      const code = canary()
      must(await send(host, { verificationCode: code }) === 200 && codes[0] === code, 'a verification')
      await send(host, { verificationCode: canary(), more: canary() }, { 'x-clover-auth': canary('webhook secret'), authorization: `Bearer ${canary()}` })
      await send(host, { verificationCode: canary() }, { 'x-clover-auth': auth }, `/clover/webhook/?code=${canary('code')}`)
      for (const odd of [`${canary()} x`, [canary()], { [canary()]: 1 }, canary().repeat(3)]) {
        await send(host, { verificationCode: odd })
        await send(host, { verificationCode: odd }, { 'x-clover-auth': auth })
      }
    }
  },
  {
    name: 'webhook: the right X-Clover-Auth, and wrong ones',
    host: begin,
    run: async host => {
      await join(host, merchantA)
      const body = bodyOf({ [merchantA]: [{ objectId: 'O:GHIVJT2ABCRSC', type: 'UPDATE', ts: 1 }], [canary()]: [] })
      must(await send(host, body, { 'x-clover-auth': auth }) === 200, 'an event')
      for (const wrong of [canary('webhook secret'), auth.slice(0, -1), `${auth}0`, `${auth}, ${auth}`, `Bearer ${auth}`, '']) must(await send(host, body, { 'x-clover-auth': wrong }) === 401, 'a refusal')
      must(await send(host, body) === 401, 'a refusal')
      await send(host, `${JSON.stringify(body)}${canary().repeat(50)}`)
      for (const odd of [`{"appId":"${canary()}`, canary(), { appId: canary(), merchants: canary() }, { appId: highTrust, merchants: { [merchantA]: [{ objectId: canary().repeat(9), type: canary(), ts: canary() }] } }, { appId: highTrust, merchants: { [merchantA]: { [canary()]: canary() } } }]) {
        await send(host, odd)
        await send(host, odd, { 'x-clover-auth': auth })
      }
      for (const type of ['application/x-www-form-urlencoded', 'text/plain']) await send(host, `verificationCode=${canary()}`, { 'content-type': type, 'x-clover-auth': auth })
      await host.inject({ method: 'GET', url: `/clover/webhook?auth=${canary('webhook secret')}`, headers: { 'x-clover-auth': auth } })
    }
  },
  {
    name: 'webhook: uninstalls, of those who are connected or not, another app\'s, and with a store that fails',
    host: begin,
    run: async host => {
      await join(host, merchantA)
      await join(host, merchantB)
      const headers = { 'x-clover-auth': auth }
      must(await send(host, bodyOf({ [merchantA]: [uninstall(host)] }, 'ANOTHERAPP001'), headers) === 400, 'another app')
      await send(host, bodyOf({ [merchantA]: [uninstall(host)] }, canary()), headers)
      must(await send(host, bodyOf({ [merchantA]: [uninstall(host)], MERCHANT0000C: [uninstall(host)] }), headers) === 200, 'an uninstall')
      must(await host.inner.get(merchantA) === undefined || await host.inner.get(merchantA) === null, 'A is forgotten')
      for (const broken of ['get', 'delete', 'all'] as const) {
        host.broken = broken
        must(await send(host, bodyOf({ [merchantB]: [uninstall(host), { objectId: 'O:1', type: 'CREATE', ts: 1 }] }), headers) === 503, `503 where ${broken} fails`)
      }
      host.broken = 'none'
      must(await send(host, bodyOf({ [merchantB]: [uninstall(host)] }), headers) === 200, 'an uninstall')
    }
  },
  {
    name: 'webhook: hooks that throw with what they were told, and no auth yet',
    host: () => ({
      options: {
        routes: { refresh: false, webhook: { auth: undefined, onVerificationCode: () => { throw new Error('mine') } } },
        onEvent: () => { throw new Error('mine') }
      }
    }),
    run: async host => {
      must(await send(host, { verificationCode: canary() }) === 200, 'a verification')
      must(await send(host, bodyOf({ [merchantA]: [uninstall(host)] }), { 'x-clover-auth': canary('webhook secret') }) === 401, 'a refusal')
    }
  },
  {
    name: 'webhook: events that the host does not take, and that are waited for',
    host: () => {
      auth = canary('webhook secret')
      const webhook = { auth, awaitEvents: true }
      return { options: { routes: { refresh: false, webhook }, onEvent: ({ type }) => { if (type === 'CREATE') throw new Error('mine') } } }
    },
    run: async host => {
      const event = (type: string) => ({ objectId: 'O:1', type, ts: 1, more: canary() })
      const headers = { 'x-clover-auth': auth }
      must(await send(host, bodyOf({ [merchantA]: [event('CREATE'), event('UPDATE')] }), headers) === 503, 'an event is not taken')
      must(await send(host, bodyOf({ [merchantA]: [event('UPDATE')] }), headers) === 200, 'an event is taken')
    }
  },
  {
    name: 'webhook: as Clover sends it, over real connections',
    host: () => {
      const host = begin()
      return { ...host, simulator: { apps: [{ id: highTrust, secret: canary('app secret'), webhookAuth: auth }] } }
    },
    run: async host => {
      const address = await host.app.listen({ host: '127.0.0.1', port: 0 })
      host.clover.setWebhookUrl(highTrust, `${address}/clover/webhook`)
      await join(host, merchantA)
      must((await host.clover.verifyWebhook()).status === 200, 'a verification')
      canaries.note('planted', codes[0] ?? '')
      host.time.pass(60_000)
      must((await host.clover.sendWebhook({ merchantId: merchantA })).status === 200, 'an uninstall')
      const reply = await fetch(`${address}/clover/webhook`, { method: 'POST', body: JSON.stringify(bodyOf({ [merchantA]: [] })), headers: { 'content-type': 'application/json', 'x-clover-auth': canary('webhook secret') } })
      host.sawReply('a real refusal', Object.fromEntries(reply.headers), await reply.text())
    }
  }
]
