import { createHash } from 'node:crypto'
import { type Test } from 'tap'
import { cloverSimulator, type CloverSimulator, type SimulatorOptions } from '../../src/testing/index.js'

export const appId = 'SIMULATORAPP1'
export const lowId = 'SIMULATORAPP2'
export const merchantId = 'FERNFILTER001'
export const redirectUri = 'https://shop.example/clover/callback'
export const codeChallenge = createHash('sha256').update('v'.repeat(43)).digest('base64url')

export async function simulator (t: Test, options: SimulatorOptions = {}): Promise<CloverSimulator> {
  const clover = await cloverSimulator(options)
  t.teardown(() => clover.close())
  return clover
}

export const app = (options: object = {}) => ({ apps: [{ id: appId, name: 'Loyalty', siteUrl: 'https://shop.example/', ...options }] })

/** A browser without JavaScript: cookies, redirects within the simulator, links and forms. */
export class Browser {
  readonly #origin: string
  readonly #cookies = new Map<string, string>()
  status = 0
  url = ''
  text = ''
  headers = new Headers()

  constructor (clover: CloverSimulator) {
    this.#origin = clover.origin
  }

  async open (to: string, body?: URLSearchParams): Promise<this> {
    this.url = new URL(to, this.#origin).href
    this.text = ''
    if (!this.url.startsWith(this.#origin)) return this
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(this.url, { redirect: 'manual', headers: { cookie }, ...(body && { method: 'POST', body }) })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (line.includes('Max-Age=0')) this.#cookies.delete(name)
      else this.#cookies.set(name, value)
    }
    this.status = response.status
    this.headers = response.headers
    this.text = await response.text()
    const location = response.headers.get('location')
    return location === null ? this : await this.open(location)
  }

  /** Follows the link whose text has `label` in it. */
  async follow (label: string): Promise<this> {
    const link = [...this.text.matchAll(/<a [^>]*href="([^"]*)"[^>]*>(.*?)<\/a>/gs)].find(([, , text]) => text?.includes(label))
    return await this.open(unescape(link?.[1] ?? 'missing:link'))
  }

  /** Sends the first form that has a button of this label, with what was typed. */
  async press (label: string, typed: Record<string, string> = {}): Promise<this> {
    for (const [, action = '', inner = ''] of this.text.matchAll(/<form method="post" action="([^"]*)"[^>]*>(.*?)<\/form>/gs)) {
      const button = [...inner.matchAll(/<button([^>]*)>(.*?)<\/button>/gs)].find(([, , text]) => text?.startsWith(label))
      if (button === undefined) continue
      const fields = new URLSearchParams(typed)
      for (const [, name = '', value = ''] of inner.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)) fields.set(name, unescape(value))
      const [, name, value = ''] = / name="([^"]*)" value="([^"]*)"/.exec(button[1] ?? '') ?? []
      if (name !== undefined) fields.set(name, unescape(value))
      return await this.open(action, fields)
    }
    throw new Error(`no button ${label}`)
  }

  get query (): Record<string, string> {
    return Object.fromEntries(new URL(this.url).searchParams)
  }
}

export function unescape (text: string): string {
  return text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))
}

export function authorizePath (query: Record<string, string> = {}, path = '/oauth/v2/authorize'): string {
  return `${path}?${String(new URLSearchParams({ client_id: appId, redirect_uri: redirectUri, state: 'a&b <c>', ...query }))}`
}

export async function exchange (clover: CloverSimulator, code: string | undefined) {
  const response = await fetch(`${clover.origin}/oauth/v2/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'user-agent': 'test/1.0' },
    body: JSON.stringify({ client_id: appId, client_secret: clover.apps[0].secret, code })
  })
  await response.arrayBuffer()
  return response.status
}
