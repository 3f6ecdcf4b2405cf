import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { CookieJar } from 'tough-cookie'
import type { CloverSimulator } from '../../src/testing/index.js'

/** The merchant's choices at Clover's authorize page. */
export interface Approval {
  /** The chosen business. Default: that of the launch. */
  merchantId?: string
  employeeId?: string
  /** Changes of the callback's query; `undefined` removes a parameter. */
  edit?: Record<string, string | undefined>
}

/** The target of a browser's requests: an app, or a wrapper that also inspects its replies. */
export interface Visited {
  inject (options: InjectOptions): Promise<LightMyRequestResponse>
}

/** A merchant's browser with a strict cookie jar. Its requests arrive as if through a proxy in front of the app. */
export class Browser {
  readonly jar = new CookieJar(undefined, { prefixSecurity: 'strict' })
  readonly #app: Visited
  readonly #base: URL
  /** Blocks cookies. */
  blocksCookies = false
  /** The values of all cookies that the app has set. */
  readonly cookieValues: string[] = []

  constructor (app: Visited, baseUrl = 'https://shop.example') {
    this.#app = app
    this.#base = new URL(baseUrl)
  }

  /** Requests a URL of the app, or a path below its public address. Does not follow redirects. */
  async visit (address: string, options: InjectOptions = {}): Promise<LightMyRequestResponse> {
    const url = new URL(address, this.#base)
    if (url.origin !== this.#base.origin) throw new Error(`${url.origin} is not the app`)
    const folder = this.#base.pathname.replace(/\/$/, '')
    const cookie = await this.jar.getCookieString(url.href)
    const reply = await this.#app.inject({
      method: 'GET',
      ...options,
      url: address.startsWith('/') ? address : url.pathname.slice(folder.length) + url.search,
      headers: { host: url.host, accept: 'text/html', ...(cookie !== '' && { cookie }), ...options.headers }
    })
    for (const line of [reply.headers['set-cookie'] ?? []].flat()) await this.#keep(line, url)
    return reply
  }

  /** The names of the state cookies that the browser holds. */
  async stateCookies (): Promise<string[]> {
    const cookies = await this.jar.getCookies(this.#base.href)
    return cookies.map(({ key }) => key).filter(name => name.includes('clover-'))
  }

  async #keep (line: string, url: URL): Promise<void> {
    const value = /^[^=]+=([^;]*)/.exec(line)?.[1] ?? ''
    if (line.includes('clover-') && value !== '') this.cookieValues.push(value)
    if (!this.blocksCookies) await this.jar.setCookie(line, url.href)
  }
}

/** The `Location` of a redirect to Clover's authorize page. */
export function authorizeRequest (reply: LightMyRequestResponse): URL {
  const { location } = reply.headers
  if (reply.statusCode !== 302 || location === undefined || !location.includes('/authorize?')) {
    throw new Error(`not a redirect to authorize: ${reply.statusCode} ${location ?? reply.body}`)
  }
  return new URL(location)
}

/** Whether a reply is the redirect of the cookie test: to the callback with only a state. */
export function isCookieTest (reply: LightMyRequestResponse): boolean {
  return reply.statusCode === 302 && /\/callback\?state=[\w.-]+$/.test(String(reply.headers.location))
}

/** Visits a callback without a state of this browser, and follows the redirect of the cookie test. */
export async function startOver (browser: Browser, address: string): Promise<LightMyRequestResponse> {
  const reply = await browser.visit(address)
  return isCookieTest(reply) ? await browser.visit(String(reply.headers.location)) : reply
}

/** Approves at Clover, and returns the callback's URL to which Clover redirects. */
export function approve (clover: CloverSimulator, reply: LightMyRequestResponse, { merchantId, employeeId, edit = {} }: Approval = {}): string {
  const { pathname, searchParams } = authorizeRequest(reply)
  const codeChallenge = searchParams.get('code_challenge')
  const granted = clover.authorize({
    merchantId: merchantId ?? searchParams.get('merchant_id') ?? '',
    appId: searchParams.get('client_id') ?? '',
    legacy: pathname === '/oauth/authorize',
    ...(employeeId !== undefined && { employeeId }),
    ...(codeChallenge !== null && { codeChallenge })
  })
  return callbackUrl(reply, { ...granted, ...edit })
}

/** The callback's address with the state of a launch and a query. */
export function callbackUrl (reply: LightMyRequestResponse, query: Record<string, string | undefined>): string {
  const { searchParams } = authorizeRequest(reply)
  const url = new URL(searchParams.get('redirect_uri') ?? '')
  for (const [name, value] of Object.entries({ state: searchParams.get('state') ?? '', ...query })) {
    if (value !== undefined) url.searchParams.set(name, value)
  }
  return url.href
}

/**
 * Connects a merchant: launch, approval and callback, with a full round if the stored tokens no longer work. Resolves with the reply of the last
 * callback.
 */
export async function connect (browser: Browser, clover: CloverSimulator, merchantId: string, launch = '/clover/launch'): Promise<LightMyRequestResponse> {
  const start = await browser.visit(`${launch}${launch.includes('?') ? '&' : '?'}merchant_id=${merchantId}`)
  const reply = await browser.visit(approve(clover, start))
  return reply.headers.location?.includes('/authorize?') ? await browser.visit(approve(clover, reply)) : reply
}

/** The `Set-Cookie` lines of a reply. */
export function setCookies (reply: { headers: Record<string, unknown> }): string[] {
  return [reply.headers['set-cookie'] ?? []].flat().map(String)
}
