/*
 * An authorization server whose refresh tokens work once, in a process of its own. It speaks the dialect of each library: Clover's JSON,
 * the form bodies of RFC 6749 (section 6), and what Slack, GitHub and Shopify make of it. All share the rules: an answer takes `delay`
 * milliseconds, a refresh token works once, and a new pair ends the access token before it. Its parent asks it through messages.
 */
import { createServer } from 'node:http'

const delay = Number(process.argv[2] ?? 50)
let lifetime = 1800
let serial = 0
const chains = new Map() // by refresh token, dead ones too
const living = new Set() // access tokens
let counts = fresh()

function fresh () {
  return { calls: 0, refused: 0, recoveries: 0, open: 0, maxOpen: 0, busy: 0, accounts: {} }
}

function issue (account) {
  const chain = { account, accessToken: '', refreshToken: '' }
  rotate(chain)
  return chain
}

function rotate (chain) {
  const spent = chain.refreshToken
  living.delete(chain.accessToken)
  chain.accessToken = `access-${++serial}-${'a'.repeat(24)}`
  chain.refreshToken = `refresh-${serial}-${'r'.repeat(24)}`
  chain.recoverable = spent
  living.add(chain.accessToken)
  chains.set(chain.refreshToken, chain)
}

function pairOf ({ account, accessToken, refreshToken }) {
  return { account, accessToken, refreshToken, expiresIn: lifetime, expiresAt: Math.floor(Date.now() / 1000) + lifetime }
}

/** Spends a refresh token; undefined if it is not live. */
function refresh (token) {
  const chain = chains.get(token)
  counts.calls++
  if (chain) counts.accounts[chain.account] = (counts.accounts[chain.account] ?? 0) + 1
  if (chain?.refreshToken !== token) {
    counts.refused++
    return undefined
  }
  rotate(chain)
  return pairOf(chain)
}

function recover (token) {
  const chain = chains.get(token)
  counts.recoveries++
  if (chain?.recoverable !== token) return undefined
  rotate(chain)
  return pairOf(chain)
}

const standard = pair => ({ access_token: pair.accessToken, refresh_token: pair.refreshToken, expires_in: pair.expiresIn, token_type: 'Bearer' })
const clover = pair => ({
  access_token: pair.accessToken, access_token_expiration: pair.expiresAt, refresh_token: pair.refreshToken, refresh_token_expiration: pair.expiresAt + 31_536_000
})

const dialects = {
  '/oauth/v2/refresh': [({ refresh_token: token }) => refresh(token), clover, { message: 'Invalid refresh token' }, 401],
  '/oauth/v2/recovery': [({ recovery_token: token }) => recover(token), clover, { message: 'Invalid recovery token' }, 401],
  '/token': [({ refresh_token: token }) => refresh(token), standard, { error: 'invalid_grant' }, 400],
  '/oauth/token': [({ refresh_token: token }) => refresh(token), standard, { error: 'invalid_grant' }, 400],
  '/api/oauth.v2.access': [({ refresh_token: token }) => refresh(token), pair => ({ ok: true, ...standard(pair), token_type: 'bot' }), { ok: false, error: 'invalid_refresh_token' }, 200],
  '/login/oauth/access_token': [({ refresh_token: token }) => refresh(token), pair => ({ ...standard(pair), scope: '', refresh_token_expires_in: 15_811_200 }), { error: 'bad_refresh_token' }, 200],
  '/admin/oauth/access_token': [({ refresh_token: token }) => refresh(token), pair => ({ ...standard(pair), scope: 'read_products', refresh_token_expires_in: 7_776_000 }), { error: 'invalid_grant' }, 400]
}

const server = createServer((request, reply) => {
  const { pathname } = new URL(request.url, 'http://provider')
  if (pathname === '/.well-known/openid-configuration') {
    const { origin } = new URL(`http://${request.headers.host}`)
    const issuer = request.headers['x-issuer'] ?? origin
    return send(reply, 200, {
      issuer, authorization_endpoint: `${issuer}authorize`, token_endpoint: new URL('/oauth/token', issuer).href, jwks_uri: new URL('/jwks', issuer).href
    })
  }
  const dialect = dialects[pathname]
  if (dialect === undefined) return send(reply, 404, { error: 'not_found' })
  const began = performance.now()
  counts.open++
  counts.maxOpen = Math.max(counts.maxOpen, counts.open)
  let text = ''
  request.setEncoding('utf8')
  request.on('data', chunk => { text += chunk })
  request.on('end', () => {
    setTimeout(() => {
      const [spend, format, refusal, status] = dialect
      const pair = spend(request.headers['content-type']?.includes('json') ? JSON.parse(text) : Object.fromEntries(new URLSearchParams(text)))
      counts.open--
      counts.busy += performance.now() - began
      send(reply, pair ? 200 : status, pair ? format(pair) : refusal)
    }, delay)
  })
})

function send (reply, status, body) {
  reply.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

const commands = {
  /** Pairs of accounts. */
  issue: accounts => accounts.map(account => pairOf(issue(account))),
  /** Which of these access tokens live. */
  live: tokens => tokens.map(token => living.has(token)),
  /** What came since the last reset; `accounts`: how many refreshes of each; `busy`: milliseconds spent on all answers. */
  counts: () => counts,
  reset: () => { counts = { ...fresh(), open: counts.open } },
  /** Seconds that access tokens live from now on. */
  lifetime: seconds => { lifetime = seconds }
}

process.on('message', ({ id, command, argument }) => process.send({ id, value: commands[command](argument) }))
process.once('disconnect', () => process.exit(0))
server.listen(0, '127.0.0.1', () => process.send({ ready: server.address().port }))
