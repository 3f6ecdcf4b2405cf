import type { NoReply, Reply } from './reach.js'

/** @internal A merchant id in Clover's form that no merchant has: Clover's are random. It is sent to the public addresses. */
export const nobody = 'FASTIFYDOCTOR'

/** @internal How to fix an address that leads elsewhere. */
export const pathFix = 'Check that the proxy forwards the whole path. A part that it strips belongs into baseUrl; a part that it keeps belongs into the prefix of the scope in which the plugin is registered, or into routes.'

/** @internal An answer in words, for a message: its status, and where it redirects to. */
export function described (reply: Reply): string {
  const to = redirectOf(reply)
  return to === undefined ? `status ${reply.status}` : `a redirect to ${shown(to)}`
}

/** @internal Where an answer redirects to; undefined if it does not. */
export function redirectOf ({ url, status, headers }: Reply): URL | undefined {
  const location = headers.get('location')
  return status >= 300 && status < 400 && location !== null && URL.canParse(location, url.href) ? new URL(location, url) : undefined
}

/** @internal Whether two addresses are the same but for their queries. */
export function isSame (one: URL, other: URL): boolean {
  return one.origin === other.origin && one.pathname === other.pathname
}

/** @internal An address without its query, which may hold a state or a code, cut to a length that fits a message. */
export function shown ({ origin, pathname }: URL): string {
  return `${origin}${pathname}`.slice(0, 200)
}

/** @internal The `code` of an error in JSON, as Fastify sends it; undefined if there is none. */
export function codeOf ({ body }: Reply): unknown {
  try {
    return (Object(JSON.parse(body)) as { code?: unknown }).code
  } catch {
    return undefined
  }
}

/** @internal Why an answer says nothing about the app: none came, the address limits its visitors, or the app behind a proxy is down. */
export function unusable (reply: Reply | NoReply): string | undefined {
  if ('trouble' in reply) return `it does not answer: ${reply.what}`
  if (reply.status === 429) return 'it limits its visitors (status 429)'
  return reply.status >= 502 && reply.status <= 504 ? `a proxy does not reach the app (status ${reply.status})` : undefined
}
