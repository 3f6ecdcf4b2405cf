import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import type { FastifyReply, LightMyRequestResponse } from 'fastify'
import { approve, authorizeRequest, callbackUrl, connect, type Browser } from '../harness/browser.js'
import { merchantA, merchantB } from '../harness/host.js'
import { askAll, type Flow } from './flow.js'
import { canary, type WatchedHostOptions } from './watched-host.js'

const page = { accept: 'text/html' }
const json = { accept: 'application/json' }
const launchFor = (merchantId: string) => `/clover/launch?merchant_id=${merchantId}`
const routes = ['/clover/launch', '/clover/callback', '/clover/refresh', '/clover/webhook']

/** What browsers bring, with codes. */
export const callbacks: Flow[] = [
  {
    name: 'denial, with and without a state of the browser, and with a code all the same',
    run: async host => {
      for (const headers of [page, json]) {
        for (const query of [{ error: 'access_denied' }, { error: canary(), error_description: canary(), code: canary('code') }]) {
          for (const state of [undefined, canary('state')]) {
            const browser = host.browser()
            const launch = await browser.visit('/clover/launch', { headers })
            await browser.visit(callbackUrl(launch, { ...query, ...(state && { state }) }), { headers })
          }
        }
      }
    }
  },
  {
    name: 'mismatch: an edited merchant, a launch for another, a foreign code',
    run: async host => {
      for (const headers of [page, json]) {
        const browser = host.browser()
        await browser.visit(approve(host.clover, await browser.visit(launchFor(merchantA)), { merchantId: merchantB }), { headers })
        await browser.visit(approve(host.clover, await browser.visit('/clover/launch'), { merchantId: merchantA, edit: { merchant_id: merchantB } }), { headers })
        await browser.visit(approve(host.clover, await browser.visit('/clover/launch'), { merchantId: merchantA, edit: { code: canary('code') } }), { headers })
        await browser.visit(approve(host.clover, await browser.visit('/clover/launch'), { merchantId: merchantA, edit: { client_id: canary() } }), { headers })
      }
    }
  },
  {
    name: 'start over: no state, a state of another browser, cookies blocked',
    run: async host => {
      const { code } = host.clover.authorize({ merchantId: merchantA })
      const victim = host.browser()
      const question = await victim.visit(`/clover/callback?code=${code}&merchant_id=${merchantA}`)
      authorizeRequest(await victim.visit(String(question.headers.location)))
      const forgetful = await host.browser().visit(`/clover/callback?code=${canary('code')}`)
      await host.browser().visit(String(forgetful.headers.location), { headers: json })
      const [one, two] = [host.browser(), host.browser()]
      const callback = approve(host.clover, await one.visit(launchFor(merchantA)))
      await two.visit(callback)
      await two.visit(callback, { headers: json })
      const blocked = host.browser()
      blocked.blocksCookies = true
      const cookieTest = await blocked.visit(approve(host.clover, await blocked.visit(launchFor(merchantA))))
      await blocked.visit(String(cookieTest.headers.location))
      await blocked.visit(String(cookieTest.headers.location), { headers: json })
    }
  },
  {
    name: 'the same callback twice: at once, afterwards, and after a failure',
    run: async host => {
      const browser = host.browser()
      const callback = approve(host.clover, await browser.visit(launchFor(merchantA)))
      host.clover.fault({ on: 'token', kind: 'latency', ms: 20 })
      await Promise.all([browser.visit(callback), browser.visit(callback)])
      await browser.visit(callback)
      host.clover.fault({ on: 'token', kind: 'status', status: 401 })
      const failing = approve(host.clover, await browser.visit(launchFor(merchantA)))
      await Promise.all([browser.visit(failing), browser.visit(failing)])
      await browser.visit(failing)
    }
  },
  {
    name: 'launch: with a code, in a frame, with wrong parameters, with forged cookies',
    run: async host => {
      const cookie = `__Host-clover-0-0=${canary('state')}; session=${canary()}`
      for (const headers of [page, json, { ...page, 'sec-fetch-dest': 'iframe' }, { ...page, cookie, referer: `https://x.example/?state=${canary('state')}`, authorization: `Bearer ${canary()}` }]) {
        const browser = host.browser()
        for (const query of [`merchant_id=${merchantA}&code=${canary('code')}`, `code=${canary('code')}&return_to=/x`, `merchant_id=${canary()}`, `client_id=${canary()}`, `return_to=//${canary()}`, `code=${canary('code')}&code=${canary('code')}`,
          `code=${canary('code')}${'x'.repeat(2048)}`]) await browser.visit(`/clover/launch?${query}`, { headers })
      }
    }
  },
  {
    name: 'a callback whose parameters are repeated, oversized or malformed',
    run: async host => {
      for (const headers of [page, json]) {
        const browser = host.browser()
        const good = approve(host.clover, await browser.visit(launchFor(merchantA)))
        for (const extra of [`code=${canary('code')}`, `state=${canary('state')}`, `merchant_id=${canary()}`, `employee_id=${canary()}&employee_id=${canary()}`, `error=${canary()}${'x'.repeat(512)}`, `unknown=${canary()}`]) {
          await browser.visit(`${good}&${extra}`, { headers })
        }
        await browser.visit(`/clover/callback?code=${canary('code')}${'x'.repeat(2048)}&state=${canary('state')}`, { headers })
        await browser.visit(`/clover/callback?code=${canary('code')}&state=${canary('state')}${'x'.repeat(512)}`, { headers })
        await browser.visit(`/clover/callback?code=${canary('code')}&state=%zz&merchant_id=%e0%a4%a`, { headers })
      }
    }
  },
  {
    name: 'every method that is not a route\'s own, and slashes at the end, with secrets in the address, the headers and the body',
    host: { options: { routes: { refresh: { onRequest: async () => {} }, webhook: { auth: undefined } } } },
    run: async host => {
      for (const url of routes) {
        for (const slash of ['', '/']) {
          for (const method of host.app.supportedMethods) {
            await host.inject({
              method: method as 'GET',
              url: `${url}${slash}?code=${canary('code')}&state=${canary('state')}&merchant_id=${merchantA}#${canary('state')}`,
              headers: { ...page, cookie: `__Host-clover-0-0=${canary('state')}`, authorization: `Bearer ${canary()}`, referer: `https://x.example/?code=${canary('code')}`, 'x-clover-auth': canary('webhook secret') },
              ...(method === 'POST' && { payload: { token: canary('access token') } })
            })
          }
        }
      }
    }
  },
  {
    name: 'the host\'s hooks throw, reply late, or lead elsewhere',
    host: () => {
      let visits = 0
      const late = (reply: FastifyReply) => { setTimeout(() => reply.send('late'), 2) }
      return {
        options: {
          onConnect: (_request, reply) => {
            visits++
            if (visits === 1) throw new Error('the host\'s own')
            if (visits === 2) return 'https://evil.example'
            if (visits === 3) late(reply)
            return undefined
          },
          onError: async (_request, reply, error) => {
            late(reply)
            if (visits > 1) throw error
            return reply.send('early')
          },
          onDisconnect: () => { throw new Error('mine') },
          onReauthorizationRequired: async () => { throw new Error('mine too') }
        }
      }
    },
    run: async host => {
      for (let visit = 0; visit < 4; visit++) {
        const browser = host.browser()
        await connect(browser, host.clover, merchantA)
        await browser.visit(`/clover/callback?error=access_denied&code=${canary('code')}`)
      }
      host.clover.uninstall(merchantA)
      await host.try('refresh()', async () => await host.app.clover.refresh(merchantA))
      await host.try('disconnect()', async () => await host.app.clover.disconnect(merchantA))
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  },
  {
    name: 'over a real connection',
    run: async host => {
      const address = await host.app.listen({ host: '127.0.0.1', port: 0 })
      const browser = host.browser()
      const launch = await browser.visit(launchFor(merchantA))
      const { pathname, search } = new URL(approve(host.clover, launch))
      const headers = { cookie: await browser.jar.getCookieString('https://shop.example/'), accept: 'text/html', authorization: `Bearer ${canary()}` }
      for (const [method, path] of [['GET', `${pathname}${search}`], ['GET', `${pathname}${search}`], ['HEAD', `${pathname}/${search}`], ['GET', `/clover/launch?code=${canary('code')}`], ['POST', `/clover/refresh?token=${canary()}`]] as const) {
        const reply = await fetch(`${address}${path}`, { method, redirect: 'manual', headers, ...(method === 'POST' && { body: canary() }) })
        host.sawReply(`a real ${method}`, { ...Object.fromEntries(reply.headers), 'set-cookie': reply.headers.getSetCookie() }, await reply.text())
      }
      host.saw('the address', inspect(host.app.server.address() as AddressInfo))
    }
  }
]

/** Posts what the page would, with the state of a launch. */
async function post (browser: Browser, launch: LightMyRequestResponse, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<LightMyRequestResponse> {
  const state = String(authorizeRequest(launch).searchParams.get('state'))
  return await browser.visit('/clover/callback', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: 'null', 'sec-fetch-site': 'same-origin', ...headers },
    payload: new URLSearchParams({ state, ...fields }).toString()
  })
}

const tokenHost: WatchedHostOptions = { options: { flow: 'v1', dangerouslyUseImplicitFlow: true } }

/** What browsers bring, with tokens. */
export const implicit: Flow[] = [
  {
    name: 'implicit: the page, and a token that it posts, twice; then use and return',
    host: tokenHost,
    run: async host => {
      const browser = host.browser()
      const launch = await browser.visit(launchFor(merchantA))
      await browser.visit(`${callbackUrl(launch, { merchant_id: merchantA })}&access_token=${canary('access token')}&id_token=${canary()}#access_token=${canary('access token')}`)
      const token = host.clover.legacyToken({ merchantId: merchantA })
      const replies = await Promise.all([post(browser, launch, { access_token: token }), post(browser, launch, { access_token: token, merchant_id: merchantA })])
      if (replies.some(({ statusCode }) => statusCode !== 303)) throw new Error(`not connected: ${replies[0].statusCode} ${replies[0].body}`)
      await post(browser, launch, { access_token: token })
      await askAll(host, merchantA)
      await post(browser, await browser.visit(launchFor(merchantA)), { access_token: host.clover.legacyToken({ merchantId: merchantA }) })
      await host.token(merchantA, { rejected: token })
      host.clover.uninstall(merchantA)
      await host.token(merchantA, { rejected: await host.token(merchantA) ?? '' })
    }
  },
  {
    name: 'implicit: tokens that are refused, foreign, malformed, or without a state, and from other sites',
    host: tokenHost,
    run: async host => {
      const own = host.clover.legacyToken({ merchantId: merchantA })
      for (const headers of [page, json]) {
        const browser = host.browser()
        const launch = async () => await browser.visit(launchFor(merchantA))
        for (const fields of [{ access_token: canary('access token') }, { access_token: host.clover.legacyToken({ merchantId: merchantB }) }, { access_token: own, merchant_id: merchantB }, { access_token: own, state: canary('state') },
          { access_token: `${own}\n${canary('access token')}` }, { access_token: `${own}${'x'.repeat(16_400)}` }, { access_token: own, merchant_id: canary() }, { access_token: own, client_id: canary() }, { access_token: own, client_id: canary().slice(0, 32) },
          { access_token: own, error: canary() }, { access_token: own, error: `${canary()}${'x'.repeat(512)}` }, { access_token: own, employee_id: canary().repeat(9) }, { [canary()]: own }]) await post(browser, await launch(), fields as Record<string, string>, headers)
        for (const foreign of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'none' }]) await post(browser, await launch(), { access_token: own }, { ...headers, ...foreign })
        for (const type of ['application/json', 'text/plain', 'multipart/form-data; boundary=x']) await post(browser, await launch(), { access_token: own }, { ...headers, 'content-type': type })
        for (const payload of [`access_token=${own}&access_token=${own}`, `access_token=${own}`, `access_token=${own}&state=%zz`, `${own}=${own}`, `access_token=${own.repeat(2000)}`, own]) {
          await browser.visit(`/clover/callback?access_token=${own}`, { method: 'POST', payload, headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded', origin: 'null', 'sec-fetch-site': 'same-origin' } })
        }
      }
    }
  },
  {
    name: 'implicit: Clover fails the check of a token',
    host: tokenHost,
    run: async host => {
      for (const fault of [{ kind: 'status', status: 500 }, { kind: 'status', status: 401, body: { message: canary('access token') } }, { kind: 'drop-after' }, { kind: 'drop-during' }, { kind: 'reply', body: { id: canary('access token') } }, { kind: 'reply', body: { id: merchantB } }] as const) {
        const browser = host.browser()
        host.clover.fault({ on: 'merchant', times: 3, ...fault })
        await post(browser, await browser.visit(launchFor(merchantA)), { access_token: host.clover.legacyToken({ merchantId: merchantA }) })
        host.clover.clearFaults()
      }
      host.broken = 'put'
      const browser = host.browser()
      await post(browser, await browser.visit(launchFor(merchantA)), { access_token: host.clover.legacyToken({ merchantId: merchantA }) })
    }
  }
]
