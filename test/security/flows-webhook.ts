import { highTrust, merchantA, merchantB } from '../helpers/host.js'
import { join, must, type Flow } from './flow.js'
import { canaries, canary, type Stage, type StageOptions } from './stage.js'

async function send (stage: Stage, payload: object | string, headers: Record<string, string> = {}, url = '/clover/webhook'): Promise<number> {
  const { statusCode } = await stage.inject({ method: 'POST', url, payload, headers: { 'content-type': 'application/json', ...headers } })
  return statusCode
}

const uninstall = (stage: Stage) => ({ objectId: `A:${highTrust}`, type: 'DELETE', ts: stage.time.now() + 60_000 })
const bodyOf = (merchants: object, appId = highTrust) => ({ appId, merchants })

/** Of the host that a flow has just begun: its Clover Auth Code, and the codes that it was told. */
let auth = ''
let codes: string[] = []

/** A host with the webhook route on. */
function begin (): StageOptions {
  auth = canary('webhook secret')
  codes = []
  const webhook = { auth: [canary('webhook secret'), auth], onVerificationCode: (code: string) => { codes.push(code) } }
  return { options: { routes: { refresh: { onRequest: async () => {} }, webhook } } }
}

/** Clover tells what happens at merchants'. */
export const webhooks: Flow[] = [
  {
    name: 'webhook: verification, with and without a secret beside it, and malformed',
    stage: begin,
    run: async stage => {
      const code = canary()
      must(await send(stage, { verificationCode: code }) === 200 && codes[0] === code, 'a verification')
      await send(stage, { verificationCode: canary(), more: canary() }, { 'x-clover-auth': canary('webhook secret'), authorization: `Bearer ${canary()}` })
      await send(stage, { verificationCode: canary() }, { 'x-clover-auth': auth }, `/clover/webhook/?code=${canary('code')}`)
      for (const odd of [`${canary()} x`, [canary()], { [canary()]: 1 }, canary().repeat(3)]) {
        await send(stage, { verificationCode: odd })
        await send(stage, { verificationCode: odd }, { 'x-clover-auth': auth })
      }
    }
  },
  {
    name: 'webhook: the right X-Clover-Auth, and wrong ones',
    stage: begin,
    run: async stage => {
      await join(stage, merchantA)
      const body = bodyOf({ [merchantA]: [{ objectId: 'O:GHIVJT2ABCRSC', type: 'UPDATE', ts: 1 }], [canary()]: [] })
      must(await send(stage, body, { 'x-clover-auth': auth }) === 200, 'an event')
      for (const wrong of [canary('webhook secret'), auth.slice(0, -1), `${auth}0`, `${auth}, ${auth}`, `Bearer ${auth}`, '']) must(await send(stage, body, { 'x-clover-auth': wrong }) === 401, 'a refusal')
      must(await send(stage, body) === 401, 'a refusal')
      await send(stage, `${JSON.stringify(body)}${canary().repeat(50)}`)
      for (const odd of [`{"appId":"${canary()}`, canary(), { appId: canary(), merchants: canary() }, { appId: highTrust, merchants: { [merchantA]: [{ objectId: canary().repeat(9), type: canary(), ts: canary() }] } }, { appId: highTrust, merchants: { [merchantA]: { [canary()]: canary() } } }]) {
        await send(stage, odd)
        await send(stage, odd, { 'x-clover-auth': auth })
      }
      for (const type of ['application/x-www-form-urlencoded', 'text/plain']) await send(stage, `verificationCode=${canary()}`, { 'content-type': type, 'x-clover-auth': auth })
      await stage.inject({ method: 'GET', url: `/clover/webhook?auth=${canary('webhook secret')}`, headers: { 'x-clover-auth': auth } })
    }
  },
  {
    name: 'webhook: uninstalls, of those who are connected or not, another app\'s, and with a store that fails',
    stage: begin,
    run: async stage => {
      await join(stage, merchantA)
      await join(stage, merchantB)
      const headers = { 'x-clover-auth': auth }
      must(await send(stage, bodyOf({ [merchantA]: [uninstall(stage)] }, 'ANOTHERAPP001'), headers) === 400, 'another app')
      await send(stage, bodyOf({ [merchantA]: [uninstall(stage)] }, canary()), headers)
      must(await send(stage, bodyOf({ [merchantA]: [uninstall(stage)], MERCHANT0000C: [uninstall(stage)] }), headers) === 200, 'an uninstall')
      must(await stage.inner.get(merchantA) === undefined || await stage.inner.get(merchantA) === null, 'A is forgotten')
      for (const broken of ['get', 'delete', 'all'] as const) {
        stage.broken = broken
        must(await send(stage, bodyOf({ [merchantB]: [uninstall(stage), { objectId: 'O:1', type: 'CREATE', ts: 1 }] }), headers) === 503, `503 where ${broken} fails`)
      }
      stage.broken = 'none'
      must(await send(stage, bodyOf({ [merchantB]: [uninstall(stage)] }), headers) === 200, 'an uninstall')
    }
  },
  {
    name: 'webhook: hooks that throw with what they were told, and no auth yet',
    stage: () => ({
      options: {
        routes: { refresh: false, webhook: { auth: undefined, onVerificationCode: () => { throw new Error('mine') } } },
        onEvent: () => { throw new Error('mine') }
      }
    }),
    run: async stage => {
      must(await send(stage, { verificationCode: canary() }) === 200, 'a verification')
      must(await send(stage, bodyOf({ [merchantA]: [uninstall(stage)] }), { 'x-clover-auth': canary('webhook secret') }) === 401, 'a refusal')
    }
  },
  {
    name: 'webhook: as Clover sends it, over real connections',
    stage: () => {
      const stage = begin()
      return { ...stage, simulator: { apps: [{ id: highTrust, secret: canary('app secret'), webhookAuth: auth }] } }
    },
    run: async stage => {
      const address = await stage.app.listen({ host: '127.0.0.1', port: 0 })
      stage.clover.setWebhookUrl(highTrust, `${address}/clover/webhook`)
      await join(stage, merchantA)
      must((await stage.clover.verifyWebhook()).status === 200, 'a verification')
      canaries.note('planted', codes[0] ?? '')
      stage.time.pass(60_000)
      must((await stage.clover.sendWebhook({ merchantId: merchantA })).status === 200, 'an uninstall')
      const reply = await fetch(`${address}/clover/webhook`, { method: 'POST', body: JSON.stringify(bodyOf({ [merchantA]: [] })), headers: { 'content-type': 'application/json', 'x-clover-auth': canary('webhook secret') } })
      stage.sawReply('a real refusal', Object.fromEntries(reply.headers), await reply.text())
    }
  }
]
