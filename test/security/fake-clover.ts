import type { Random } from './random.js'

/** A call that came to the fake Clover. */
export interface FakeCall {
  path: string
  body: Record<string, unknown>
  /** The bearer token. */
  token: string
}

/**
 * Clover's replies as they should be, without state: a token says whose it is. Every token and code has the word canary in it, so that one
 * that turns up elsewhere is seen.
 */
export function genuineReply ({ path, body, token }: FakeCall, now: number, owner: string): Record<string, unknown> {
  const seconds = Math.floor(now / 1000)
  if (path.startsWith('/v3/merchants/')) return { id: ownerOf(token), name: 'A shop' }
  const whose = typeof body.refresh_token === 'string' ? ownerOf(body.refresh_token) : typeof body.recovery_token === 'string' ? ownerOf(body.recovery_token) : owner
  const number = ++made
  const access = { access_token: `canary-access.${whose}.${number}`, access_token_expiration: seconds + 1800 }
  return path.includes('no_refresh_token') ? access : { ...access, refresh_token: `canary-refresh.${whose}.${number}`, refresh_token_expiration: seconds + 31_536_000 }
}

/** Whose a token is. */
export function ownerOf (token: string): string {
  return token.split('.')[1] ?? ''
}

let made = 0

/** A fetch that hands each call to `answer`. */
export function fakeFetch (answer: (call: FakeCall) => Response): typeof globalThis.fetch {
  return async (input, init) => {
    const url = input as URL
    const headers = init?.headers as Record<string, string>
    const body = typeof init?.body === 'string' ? JSON.parse(init.body) as Record<string, unknown> : {}
    return answer({ path: url.pathname + url.search, body, token: (headers.authorization ?? '').replace('Bearer ', '') })
  }
}

/** What an answer is made of. */
export interface OddReply {
  status: number
  headers: Record<string, string>
  body: string | Uint8Array
}

/** A reply that is right more often than not in each of its parts, and seldom in all of them. */
export function oddReply (random: Random, genuine: Record<string, unknown>, now: number): OddReply {
  const status = random.chance(0.6) ? 200 : random.chance(0.5) ? random.pick(401, 403, 400, 429, 500, 503) : 200 + random.int(400)
  const headers: Record<string, string> = { 'content-type': random.pick('application/json', 'application/json', 'text/html', 'nonsense', '') }
  if (random.chance(0.7)) headers.date = random.chance(0.6) ? new Date(now).toUTCString() : random.pick(...oddDates, new Date(now + (random.int(2_000_000_000) - 1_000_000_000) * 1000).toUTCString())
  if (random.chance(0.2)) headers['retry-after'] = random.pick('0', '1', '60', '99999', '100000', '-1', '1e9', '1.5', 'Wed, 21 Oct 2026 07:28:00 GMT', '', 'nonsense')
  if (random.chance(0.2)) headers['x-clover-recovery-available'] = random.pick('true', 'false', 'TRUE', '')
  if (random.chance(0.1)) headers['content-length'] = random.pick('0', '1', '999999')
  return { status, headers, body: random.chance(0.5) ? JSON.stringify(genuine) : oddBody(random, genuine) }
}

function oddBody (random: Random, genuine: Record<string, unknown>): string | Uint8Array {
  const text = JSON.stringify(genuine)
  const key = random.pick(...Object.keys(genuine))
  return random.pick<() => string | Uint8Array>(
    () => JSON.stringify({ ...genuine, [key]: random.json() }),
  () => JSON.stringify({ ...genuine, [key]: undefined }),
  () => JSON.stringify({ ...genuine, [key]: random.pick<unknown>(-1, 0, 1e12, '4000000000', 'a b', 'x\ny', 'canary-\u00e9', '', [genuine[key]], { toString: genuine[key] }, `${String(genuine[key])}\n`, 'MERCHANT00002', 'canary-access.MERCHANT00003.0') }),
  () => JSON.stringify({ ...genuine, [random.nasty()]: random.json() }),
  () => JSON.stringify([genuine]),
  () => JSON.stringify(random.json(5)),
  () => JSON.stringify(text),
  () => text.slice(0, random.int(text.length)),
  () => random.mutated(text),
  () => text + text,
  () => text.replace('{', '{"__proto__":{"access_token":"canary-proto"},'),
  () => text.replace(/\d{10}/, '1e999'),
  () => '',
  () => '<!doctype html><html><body>canary-page</body></html>',
  () => Uint8Array.from({ length: random.int(300) }, () => random.int(256)),
  () => random.chance(0.1) ? text + ' '.repeat(262_144 - random.int(2) * text.length) : '[]',
  () => random.chance(0.1) ? '['.repeat(100_000) : '{}'
  )()
}

const oddDates = ['', 'nonsense', 'Thu, 01 Jan 1970 00:00:00 GMT', 'Thu, 01 Jan 1000 00:00:00 GMT', 'Sat, 13 Sep 275760 00:00:00 GMT', 'Fri, 31 Dec 9999 23:59:59 GMT', '0', '1', '2026', '12:00', '-1']

/** The reply as `fetch` gives it. */
export function toResponse ({ status, headers, body }: OddReply): Response {
  const isEmpty = [204, 205, 304].includes(status)
  return new Response(isEmpty ? null : body, { status, headers })
}
