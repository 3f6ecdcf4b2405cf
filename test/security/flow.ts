import { connect } from '../harness/browser.js'
import { until } from '../harness/waiting.js'
import { adoptable } from '../harness/pairs.js'
import { canary, startWatchedHost, type WatchedHost, type WatchedHostOptions } from './watched-host.js'

/** One thing that happens on a host of its own, at the end of which everything that came out is searched. */
export interface Flow {
  name: string
  host?: WatchedHostOptions | (() => WatchedHostOptions)
  run (host: WatchedHost, another: (options?: WatchedHostOptions) => ReturnType<typeof startWatchedHost>): Promise<unknown>
}

/** A merchant connects; a flow that goes on from there would prove nothing if that failed. */
export async function join (host: WatchedHost, merchantId: string, launch?: string): Promise<void> {
  const failure = await visit(host, merchantId, launch)
  if (failure !== undefined) throw new Error(`not connected: ${failure}`)
}

/** A merchant connects to a host whose calls to Clover time out so early that on a busy machine an answer may come too late, and tries again then. */
export async function joinAtLast (host: WatchedHost, merchantId: string): Promise<void> {
  await until('the merchant connects', async () => await visit(host, merchantId) === undefined)
}

/** Resolves with the page of a visit that failed. */
async function visit (host: WatchedHost, merchantId: string, launch?: string): Promise<string | undefined> {
  const { statusCode, headers, body } = await connect(host.browser(), host.clover, merchantId, launch)
  return statusCode !== 302 || String(headers.location).startsWith('http') ? `${statusCode} ${body}` : undefined
}

/** Asks everything there is to ask about a merchant. */
export async function askAll (host: WatchedHost, merchantId: string): Promise<void> {
  await host.token(merchantId)
  await host.inject({ method: 'GET', url: `/handler/${merchantId}` })
  await host.try('installation()', async () => await host.app.clover.installation(merchantId))
  await host.try('refresh()', async () => await host.app.clover.refresh(merchantId))
  await host.try('installations()', async () => {
    const all: unknown[] = []
    for await (const one of host.app.clover.installations()) all.push(one)
    return all
  })
}

/** The tokens of a merchant, as another integration would hand them over. */
export function pairOf (host: WatchedHost, merchantId: string) {
  const pair = host.clover.connect({ merchantId })
  return adoptable(merchantId, pair)
}

/** Another server's findings become the host's own. */
export async function fold (host: WatchedHost, ...others: WatchedHost[]): Promise<void> {
  for (const other of others) for (const finding of await other.findings()) host.saw(`another server: ${finding}`, canary())
}

/** A flow proves nothing where what it is about did not happen. */
export function must (isSo: boolean, what: string): void {
  if (!isSo) throw new Error(`it did not happen: ${what}`)
}
