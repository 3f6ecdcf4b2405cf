import { METHODS } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import { approve, authorizeRequest } from '../harness/browser.js'
import { lineStream, merchantA, merchantB, startHost, type Host, type HostOptions } from '../harness/host.js'
import { requestText, sendRaw, type WireReply } from '../harness/wire.js'

/*
 * The routes over real connections, for requests that `inject` cannot send or normalizes.
 */

type Header = readonly [string, string]

async function listen (t: Test, options: HostOptions = {}): Promise<Host & { send: (method: string, target: string, headers?: Header[], body?: string) => Promise<WireReply>, port: number }> {
  const host = await startHost(t, options)
  await host.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = host.app.server.address() as AddressInfo
  return { ...host, port, send: (method, target, headers, body) => sendRaw(port, requestText(method, target, headers, body)) }
}

/** A merchant who is about to come back: the callback's path and query, and the cookies that go with it. */
async function approved ({ browser, clover }: Host): Promise<{ search: string, code: string, cookie: Header, visit: () => Promise<string | undefined> }> {
  const merchant = browser()
  const callback = new URL(approve(clover, await merchant.visit(`/clover/launch?merchant_id=${merchantA}`)))
  const cookie = await merchant.jar.getCookieString(callback.href)
  return {
    search: callback.search,
    code: callback.searchParams.get('code') ?? '',
    cookie: ['cookie', cookie],
    visit: async () => (await merchant.visit(callback.href)).headers.location
  }
}

t.test('only GET spends a code, and no method that Fastify knows logs or echoes it (security 33)', async t => {
  const host = await listen(t)
  const { search, code, cookie, visit } = await approved(host)
  const wrong: string[] = []
  for (const method of METHODS.filter(method => method !== 'GET' && method !== 'CONNECT')) {
    const isKnown = host.app.supportedMethods.includes(method)
    for (const path of ['/clover/callback', '/clover/callback/', '/clover/launch', '//clover/callback']) {
      if (!isKnown && path !== '/clover/callback') continue
      const reply = await host.send(method, `${path}${isKnown ? search : '?code=unknown'}`, [cookie])
      const isRight = reply.statusCode === (isKnown && !path.startsWith('//') ? 405 : 404) && reply.values('set-cookie').length === 0 && !reply.text.includes(code)
      if (!isRight) wrong.push(`${method} ${path}: ${reply.text}`)
    }
  }
  t.same(wrong, [], 'a 405 or a 404, without a cookie and the code')
  t.notOk((await host.send('CONNECT', `/clover/callback${search}`, [cookie])).text, 'CONNECT is not answered at all')
  for (const method of ['get', 'GETS', 'G\u0000T', '']) t.equal((await host.send(method, `/clover/callback${search}`, [cookie])).statusCode, 400, `Node refuses ${JSON.stringify(method)}`)
  t.notMatch(host.logs.filter(line => !line.includes('"rawPacket"')).join(''), code)
  t.equal(host.clover.calls.length, 0)
  t.equal(await visit(), '/', 'the code is still good')
})

t.test('a doubled slash is a 404 of the plugin, which neither logs nor echoes the query (security 33)', async t => {
  const cases: Array<[FastifyServerOptions, HostOptions]> = [[{}, {}], [{ routerOptions: { ignoreTrailingSlash: true } }, {}], [{ routerOptions: { caseSensitive: false } }, {}], [{}, { prefix: '/eu' }]]
  for (const [fastify, options] of cases) {
    let found404 = 0
    const host = await listen(t, { ...options, fastify, before: app => { app.setNotFoundHandler((_request, reply) => { found404++; reply.code(404).send('the host\'s') }) } })
    const code = 'canary-code-0123456789'
    const wrong: string[] = []
    const prefix = options.prefix ?? ''
    for (const path of ['//clover/callback', '/clover//callback', '/clover/callback//', '//clover/callback/', '/clover//callback/', '//clover/launch', '/clover/launch//']) {
      for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS']) {
        const reply = await host.send(method, `${prefix}${path}?code=${code}&state=canary-state.0.x`)
        const isRight = reply.statusCode === 404 && reply.values('cache-control').join() === 'no-store' && reply.values('set-cookie').length === 0 && !reply.text.includes('canary') &&
          (method !== 'GET' || /^\{(?=.*"statusCode":404)(?=.*"error":"Not Found")(?=.*"message":"[^"]*a doubled slash).*\}$/s.test(reply.body))
        if (!isRight) wrong.push(`${method} ${path}: ${reply.text}`)
      }
    }
    t.same(wrong, [], 'a 404 of the plugin')
    t.equal((await host.send('POST', `${prefix}//clover/refresh`, [['content-type', 'application/json'], ['content-length', '31']], `{"merchant_id":"${merchantA}"}`)).statusCode, 404, 'a guard by path cannot be gone around')
    t.equal(found404, 0)
    t.notMatch(host.logs.join(''), 'canary')
    t.equal((await host.send('GET', `${prefix}//clover/other`)).body, 'the host\'s', 'other paths are the host\'s as before')
    t.equal(host.clover.calls.length, 0)
  }
})

t.test('if the host\'s router ignores doubled slashes, the path is served, and logged without its query (security 33)', async t => {
  const host = await listen(t, { fastify: { routerOptions: { ignoreDuplicateSlashes: true } } })
  const { search, cookie } = await approved(host)
  t.equal((await host.send('HEAD', `//clover//callback${search}`, [cookie])).statusCode, 405)
  t.same((await host.send('GET', `//clover//callback${search}`, [cookie])).values('location'), ['/'])
})

t.test('only spellings that are the callback\'s path spend a code, and they are logged without their query', async t => {
  const host = await listen(t)
  const { search, cookie, visit } = await approved(host)
  const unlike = ['///clover/callback', '/clover%2Fcallback', '/%2Fclover/callback', '/CLOVER/callback', '/Clover/Callback', '/clover/callback;a=b', '/clover/callback%', '/clover/callback%00', '/clover/callback%20', '/clover/callback%3f',
    '/clover/callback/x', '/./clover/callback', '/x/../clover/callback', '/clover\\callback', '/clover/callback\\', 'clover/callback', '*', '/clover/callback/.', '/clover/callback.json']
  for (const path of unlike) {
    const reply = await host.send('GET', path + search.replace(/code=[^&]+/, 'code=unknown').replace(/state=[^&]+/, 'state=unknown'), [cookie])
    t.ok([400, 404].includes(reply.statusCode), `${path} ${reply.statusCode}`)
    t.same(reply.values('set-cookie'), [])
  }
  t.equal(host.clover.calls.length, 0)
  t.equal(await visit(), '/')
  for (const path of ['/%63lover/callback', 'http://evil.example/clover/callback', '/clover/callback']) {
    const other = await approved(host)
    t.same((await host.send('GET', path + other.search, [other.cookie])).values('location'), ['/'], path)
  }
})

t.test('the host\'s 404 can be kept from logging and echoing as the guide to the routes says', async t => {
  const logs: string[] = []
  const { send } = await listen(t, {
    fastify: { logger: { level: 'info', stream: lineStream(logs), serializers: { req: ({ method, url }) => ({ method, path: url.split('?', 1)[0] }) } } },
    before: app => { app.setNotFoundHandler((_request, reply) => reply.code(404).send({ statusCode: 404, error: 'Not Found' })) }
  })
  for (const [method, path] of [['PROPFIND', '/clover/callback'], ['GET', '/CLOVER/callback'], ['GET', '///clover/callback']] as const) {
    const reply = await send(method, `${path}?code=canary-code-0123456789`)
    t.equal(reply.statusCode, 404)
    t.notMatch(reply.text, 'canary')
  }
  t.match(logs.join(''), '/CLOVER/callback')
  t.notMatch(logs.join(''), 'canary')
})

t.test('no address in a request changes the redirect URI or the cookies, however it is sent (security 1, security 18, security 19)', async t => {
  const forged: Header[][] = [
    [['x-forwarded-host', 'evil.example'], ['x-forwarded-host', 'evil2.example'], ['x-forwarded-proto', 'http']],
    [['forwarded', 'for=6.6.6.6;host=evil.example;proto=http, host=evil2.example'], ['x-forwarded-port', '81']],
    [['x-forwarded-host', 'shop.example, evil.example'], ['x-forwarded-proto', 'https,http'], ['x-forwarded-prefix', '/evil'], ['x-forwarded-path', '/evil']],
    [['x-original-url', '/evil'], ['x-rewrite-url', '/evil'], ['x-host', 'evil.example'], ['x-http-host-override', 'evil.example'], ['x-http-method-override', 'POST']],
    [['origin', 'https://evil.example'], ['referer', 'https://evil.example/x'], ['via', '1.1 evil.example']]
  ]
  for (const trustProxy of [true, false, '127.0.0.1']) {
    const { port } = await listen(t, { fastify: { trustProxy } })
    const wrong: string[] = []
    for (const headers of forged) {
      for (const [target, host] of [['/clover/launch', 'evil.example'], ['/clover/launch', ''], ['/clover/launch', 'evil.example:1@x'], ['http://evil.example:81/clover/launch', 'shop.example'], ['/clover/callback', 'evil.example']] as const) {
        const reply = await sendRaw(port, `GET ${target}?merchant_id=${merchantA} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)
        const location = new URL(reply.values('location')[0] ?? '')
        const callback = target === '/clover/callback' ? location.origin + location.pathname : location.searchParams.get('redirect_uri')
        const [cookie = '', ...others] = reply.values('set-cookie')
        const isRight = reply.statusCode === 302 && callback === 'https://shop.example/clover/callback' && others.length === 0 && !reply.text.includes('evil') &&
          /^__Host-[^;]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/.test(cookie)
        if (!isRight) wrong.push(`${target}, host: ${host}, ${headers.join(' ')}: ${reply.text}`)
      }
    }
    t.same(wrong, [])
    const two = await sendRaw(port, 'GET /clover/launch HTTP/1.1\r\nhost: shop.example\r\nhost: evil.example\r\nconnection: close\r\n\r\n')
    t.notMatch(two.text, 'evil')
  }
})

t.test('a launch in any kind of frame is a page with a link out of it; any other launch redirects to Clover', async t => {
  const { send } = await listen(t)
  for (const kind of ['iframe', 'frame', 'embed', 'object', 'fencedframe']) {
    const reply = await send('GET', '/clover/launch', [['sec-fetch-dest', kind], ['sec-fetch-site', 'cross-site'], ['sec-fetch-mode', 'navigate']])
    t.equal(reply.statusCode, 200, kind)
    t.same(reply.values('set-cookie'), [])
    t.match(reply.body, 'target="_top"')
  }
  for (const kind of ['document', 'empty', 'image', 'script', 'worker', '', 'nonsense', '__proto__', 'x'.repeat(4000)]) {
    const reply = await send('GET', '/clover/launch', [['sec-fetch-dest', kind]])
    t.equal(reply.statusCode, 302, kind)
    t.notMatch(reply.text, 'nonsense')
  }
})

t.test('any invalid body of the refresh route is a typed 4xx, at once, and after the guard (security 14, security 26)', async t => {
  const guarded = await listen(t, { options: { routes: { refresh: { onRequest: async () => { throw Object.assign(new Error('not an operator'), { statusCode: 401 }) } } } } })
  const open = await listen(t)
  const json: Header = ['content-type', 'application/json']
  const good = `{"merchant_id":"${merchantA}"}`
  const sized = (body: string, ...headers: Header[]): [Header[], string] => [[...headers, ['content-length', String(Buffer.byteLength(body, 'latin1'))]], body]
  const chunked: Header = ['transfer-encoding', 'chunked']
  const cases: Record<string, [Header[], string, number]> = {
    'a size of 10 MB of which nothing comes': [[json, ['content-length', '10000000']], '', 413],
    'chunks of more than 1 KiB': [[json, chunked], `400\r\n${' '.repeat(1024)}\r\n1\r\n \r\n0\r\n\r\n`, 413],
    'a form': [...sized(`merchant_id=${merchantA}`, ['content-type', 'application/x-www-form-urlencoded']), 415],
    'a multipart form': [...sized(`--x\r\ncontent-disposition: form-data; name="merchant_id"\r\n\r\n${merchantA}\r\n--x--\r\n`, ['content-type', 'multipart/form-data; boundary=x']), 415],
    'two content types': [...sized(good, ['content-type', 'text/plain'], json), 415],
    'a content type that is none': [...sized(good, ['content-type', '\u00ff;;=,/']), 415],
    'no content type': [...sized(good), 415],
    'a content type of 8 KB': [...sized(good, ['content-type', `application/json; a=${'x'.repeat(8000)}`]), 409],
    gzip: [...sized(gzipSync(good).toString('latin1'), json, ['content-encoding', 'gzip']), 400],
    'a size of none': [...sized('', json), 400],
    'nothing at all': [[json], '', 400],
    'no chunk': [[json, chunked], '0\r\n\r\n', 400],
    'bytes that are not UTF-8': [...sized('{"merchant_id":"\xff\xfe\x80"}', json), 400],
    'a key twice, of which the last counts': [...sized(`{"merchant_id":"${merchantB}","merchant_id":"${merchantA}"}`, json), 409],
    'a nesting of 500': [...sized('['.repeat(500), json), 400],
    'a nesting of 500 that closes': [...sized(`{"merchant_id":${'['.repeat(500)}${']'.repeat(500)}}`, json), 400],
    '__proto__ in other characters': [...sized('{"\\u005f_proto__":{"merchant_id":"x"},"merchant_id":"MERCHANT0000A"}', json), 400],
    'constructor.prototype': [...sized('{"merchant_id":"MERCHANT0000A","constructor":{"prototype":{"x":1}}}', json), 400],
    'toString and hasOwnProperty': [...sized(`{"toString":1,"hasOwnProperty":2,"merchant_id":"${merchantA}"}`, json), 409],
    'a byte order mark': [...sized(`\xef\xbb\xbf${good}`, json), 409],
    'a size that is not one': [[json, ['content-length', '+5']], good, 400],
    'a size and chunks': [[json, ['content-length', '5'], chunked], '0\r\n\r\n', 400],
    'a chunk of no size': [[json, chunked], 'zz\r\n\r\n', 400]
  }
  for (const [name, [headers, body, expected]] of Object.entries(cases)) {
    const isForNode = ['a size that is not one', 'a size and chunks', 'a chunk of no size'].includes(name)
    const refused = await guarded.send('POST', '/clover/refresh', headers, body)
    t.ok(refused.statusCode === 401 || (isForNode && refused.statusCode === 400), `${name}: the guard comes first`)
    const reply = await open.send('POST', '/clover/refresh', headers, body)
    t.equal(reply.statusCode, expected, name)
    if (expected === 409) t.match(JSON.parse(reply.body), { code: 'FST_CLOVER_NOT_CONNECTED', message: new RegExp(merchantA) }, name)
  }
  t.equal(({} as { x?: number }).x, undefined)
  t.equal(open.clover.calls.length, 0)
})

t.test('a body without end is answered and cut off, on the refresh route and where no body belongs', async t => {
  const { port, clover } = await listen(t)
  for (const [method, path, expected] of [['POST', '/clover/refresh', 413], ['POST', '/clover/callback', 405], ['PUT', '/clover/refresh', 405], ['GET', '/clover/launch', 302]] as const) {
    let sent = 0
    const endless = function * () {
      yield `${method} ${path} HTTP/1.1\r\nhost: shop.example\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`
      for (; sent < 64_000_000; sent += 4096) yield `1000\r\n${' '.repeat(4096)}\r\n`
    }
    t.equal((await sendRaw(port, endless())).statusCode, expected, `${method} ${path}`)
    t.ok(sent < 64_000_000, `${sent} bytes were sent`)
  }
  t.equal(clover.calls.length, 0)
})

t.test('after a flood of cookies a reply has less than 4 KiB of headers, and five states are left (security 9)', async t => {
  const host = await listen(t, {
    appId: 'SIMULATORAPP2',
    options: { appSecret: false },
    fastify: { http: { maxHeaderSize: 4_000_000 } } as FastifyServerOptions
  })
  const { send, time } = host
  const longest = `/clover/launch?merchant_id=${merchantA}&return_to=/${'x'.repeat(255)}`
  const lineOf = (reply: WireReply) => reply.values('set-cookie').filter(line => !line.includes('Max-Age=0')).map(line => line.slice(0, line.indexOf(';')))
  const mint = async (count: number): Promise<string[]> => (await Promise.all(Array.from({ length: count }, () => send('GET', longest)))).flatMap(lineOf)
  const expired = await mint(100)
  time.pass(601_000)
  const valid = await mint(100)
  const prefix = valid[0]?.slice(0, '__Host-clover-01234567-'.length) ?? ''
  const forged = Array.from({ length: 100 }, (_, index) => `${prefix}${index.toString(16).padStart(8, '0')}=${valid[index]?.slice(prefix.length + 9)}`)
  const odd = ['__proto__=1', 'constructor=1', 'toString="x"', `${prefix}"quoted"="${'x'.repeat(50)}"`, `${prefix}=1`, `${prefix}${'a'.repeat(3000)}=1`, `${prefix}\u00e9=1`, '=', ';;', '=;=', `${prefix}abcdef01`, `${prefix}abcdef01="`, `${prefix}ABCDEF01=%`, 'a=\u0080\u00ff']
  const floods: Record<string, string[]> = {
    'ten thousand of others': Array.from({ length: 10_000 }, (_, index) => `c${index}=${index}`),
    'one of a megabyte': [`big=${'x'.repeat(1_000_000)}`],
    'one of ours of a megabyte': [`${prefix}01234567=${'x'.repeat(1_000_000)}`],
    valid,
    expired,
    forged,
    odd,
    all: [...forged, ...expired, ...odd, ...valid],
    'all the other way': [...valid, ...odd, ...expired, ...forged].reverse(),
    'the same name a hundred times': Array.from({ length: 100 }, () => `${valid[0]}`)
  }
  const wrong: string[] = []
  for (const [name, cookies] of Object.entries(floods)) {
    for (const path of [longest, '/clover/callback?code=x&state=y', `/clover/callback?code=x&merchant_id=${merchantA}`]) {
      const reply = await send('GET', path, [['cookie', cookies.join('; ')]])
      const set = reply.values('set-cookie').length
      // And no name of a stranger's is sent back.
      const isRight = reply.statusCode === 302 && reply.headerBytes < 4096 && set <= 14 && lineOf(reply).every(line => line.length <= 512) && !reply.text.includes('aaaaaaaa')
      if (!isRight) wrong.push(`${name}: ${reply.statusCode}, ${reply.headerBytes} bytes of headers, ${set} Set-Cookie of ${lineOf(reply)[0]?.length} bytes`)
    }
  }
  t.same(wrong, [])
  // The next launches delete the cookies that one launch cannot delete, oldest first.
  let jar = new Map([...valid, ...forged].map(line => [line.slice(0, line.indexOf('=')), line]))
  for (let launch = 0; launch < 20; launch++) {
    const reply = await send('GET', longest, [['cookie', [...jar.values()].join('; ')]])
    const ended = reply.values('set-cookie').filter(line => line.includes('Max-Age=0')).map(line => line.slice(0, line.indexOf('=')))
    if (launch === 0) t.ok(ended.every(name => valid.some(line => line.startsWith(name))), 'those that count come first')
    jar = new Map([...[...jar].filter(([name]) => !ended.includes(name)), ...lineOf(reply).map(line => [line.slice(0, line.indexOf('=')), line] as const)])
    time.pass(1000)
  }
  t.equal(jar.size, 5)
  t.equal(authorizeRequest(await host.browser().visit('/clover/launch', { headers: { cookie: [...jar.values()].join('; ') } })).pathname, '/oauth/v2/authorize')
})

t.test('a flood of headers is answered by Node, and one that it lets through by the route', async t => {
  const { send } = await listen(t)
  t.equal((await send('GET', '/clover/launch', [['cookie', `a=${'x'.repeat(17_000)}`]])).statusCode, 431)
  // Node 24 refuses 1500 of them, and earlier versions do not.
  t.equal((await send('GET', '/clover/launch', Array.from({ length: 900 }, (_, index) => [`x${index}`, '1'] as const))).statusCode, 302)
  t.equal((await send('GET', '/clover/launch', [['cookie', 'a=1'], ['cookie', '__proto__=2'], ['__proto__', 'x'], ['accept', 'text/html']])).statusCode, 302)
})
