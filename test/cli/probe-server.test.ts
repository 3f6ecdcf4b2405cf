import { once } from 'node:events'
import { request } from 'node:http'
import t, { type Test } from 'tap'
import { ProbeServer } from '../../src/cli/probe/probe-server.js'
import { freePort } from '../harness/ports.js'
import { until } from '../harness/waiting.js'
import { fast, probe, probedClover } from './probing.js'

const trip = { url: 'https://clover.example/oauth/v2/authorize', state: 'state-1' }

async function server (t: Test, timing = {}) {
  const server = new ProbeServer({ ...fast, farewell: 1_000, ...timing })
  await server.listen(0)
  let isOpen = true
  const finish = async () => {
    isOpen = false
    await server.finish('<done>')
  }
  t.teardown(async () => { if (isOpen) await finish() })
  const get = async (path: string) => {
    const response = await fetch(`${server.local}${path}`, { redirect: 'manual' })
    return { status: response.status, to: response.headers.get('location'), text: await response.text(), headers: response.headers }
  }
  return { server, get, finish }
}

/** The browser waits at /next, and the probe knows it. */
const waits = async (get: (path: string) => Promise<unknown>) => {
  const answer = get('/next')
  await new Promise(resolve => setTimeout(resolve, 100))
  return answer
}

t.test('the browser waits, goes to Clover when it is sent, and waits again', async t => {
  const { server: it, get } = await server(t)
  t.match((await get('/')).text, 'content="0; url=/next"', 'nothing is awaited yet')
  const waiting = waits(get)
  const arrival = it.send(trip)
  t.match(await waiting, { status: 302, to: trip.url })
  const back = await get('/callback?code=1&state=state-1')
  t.match(back, { status: 200, text: /content="0; url=\/next"/ })
  t.match(back.headers.get('content-security-policy'), "default-src 'none'")
  t.same([back.headers.get('referrer-policy'), back.headers.get('cache-control')], ['no-referrer', 'no-store'])
  t.same(await arrival, { hasReturned: false, query: { code: '1', state: 'state-1' } })
  t.equal(it.echoesState, true)
})

t.test('the address leads to Clover, again if the browser is stuck there', async t => {
  const { server: it, get } = await server(t)
  const arrival = it.send(trip)
  for (let i = 0; i < 2; i++) t.match(await get('/'), { status: 302, to: trip.url })
  it.cancel()
  const other = it.send({ ...trip, mayFail: true })
  t.match(await get('/next'), { status: 302, to: trip.url })
  t.match(await get('/'), { status: 200 })
  t.same(await other, { hasReturned: true, query: {} })
  t.equal(await Promise.race([arrival, Promise.resolve('waits')]), 'waits')
})

t.test('a held request is answered in time, and a browser that went away is forgotten', async t => {
  const { server: it, get } = await server(t, { hold: 20_000 })
  t.match(await get('/next'), { status: 200, text: /url=\/next/ })
  const gone = request(`${it.local}/next`).end()
  gone.on('error', () => {})
  await once(gone, 'socket')
  await new Promise(resolve => setTimeout(resolve, 50))
  gone.destroy()
  await new Promise(resolve => setTimeout(resolve, 50))
  const arrival = it.send(trip)
  t.match(await get('/next'), { status: 302 })
  await get('/callback?code=1')
  t.match(await arrival, { query: { code: '1' } })
})

t.test('of two tabs the last one goes', async t => {
  const { server: it, get } = await server(t)
  const first = waits(get)
  await new Promise(resolve => setTimeout(resolve, 50))
  const second = waits(get)
  await new Promise(resolve => setTimeout(resolve, 150))
  const arrival = it.send(trip)
  t.match([await first, await second], [{ status: 200 }, { status: 302 }])
  const third = waits(get)
  await get('/callback?code=1&state=state-1')
  await arrival
  t.match(await get('/callback?code=2&state=state-1'), { status: 200 }, 'what comes late is not used')
  it.send({ ...trip, state: 'state-2' }).catch(() => {})
  t.match(await third, { status: 302 })
})

t.test('a callback of anybody else is refused, and the right one is still awaited', async t => {
  const { server: it, get } = await server(t)
  const arrival = it.send(trip)
  for (const query of ['code=1&state=other', 'code=1&code=2', 'code=1&state=state-1&state=state-1']) t.match(await get(`/callback?${query}`), { status: 400, text: /does not belong to the probe/ })
  await get('/callback?code=3&state=state-1')
  t.match(await arrival, { query: { code: '3' } })
  const next = it.send({ ...trip, state: 'state-2' })
  t.match(await get('/callback?code=4'), { status: 400 }, 'Clover has shown that it echoes the state')
  t.match(await get('/callback'), { status: 400 })
  t.match(await get('/callback?code=4&state=state-1'), { status: 200, text: /url=\/next/ }, 'the browser comes back late from an earlier trip, and goes on')
  await get('/callback?code=5&state=state-2')
  t.match(await next, { query: { code: '5' } })
  const denial = it.send({ ...trip, state: 'state-3', mayBeBare: true })
  t.match(await get('/callback?code=6'), { status: 400 })
  await get('/callback')
  t.same(await denial, { hasReturned: false, query: {} })
  t.match(await get('/favicon.ico'), { status: 404 })
})

t.test('where Clover echoes no state, a callback is taken only while one is awaited', async t => {
  const { server: it, get } = await server(t)
  t.match(await get('/callback?code=1'), { status: 200 })
  t.equal(it.echoesState, undefined)
  const arrival = it.send(trip)
  await get('/callback?error=access_denied')
  t.match(await arrival, { query: { error: 'access_denied' } })
  t.equal(it.echoesState, false)
})

t.test('Clover\'s dashboard opens it with the merchant', async t => {
  const { server: it, get } = await server(t)
  await get('/?utm=1')
  t.equal(it.launch, undefined)
  await get('/?merchantId=1&client_id=2&code=3')
  t.same(it.launch, ['merchantId', 'client_id', 'code'])
  await get('/?merchant_id=1')
  t.same(it.launch, ['merchantId', 'client_id', 'code'], 'the first time counts')
})

t.test('the last page is shown to whoever comes for it, with nothing as markup', async t => {
  for (const path of ['/next', '/', '/callback']) {
    const { get, finish } = await server(t, { farewell: 1_000_000 })
    const held = path === '/next' ? waits(get) : undefined
    if (held !== undefined) await new Promise(resolve => setTimeout(resolve, 150))
    const finished = finish()
    t.match(await (held ?? get(path)), { status: 200, text: /<pre>&#60;done&#62;<\/pre>/ })
    await finished
  }
  const { server: it, get, finish } = await server(t, { farewell: 1_000_000 })
  const finished = finish()
  t.match(await get('/next'), { text: /<pre>/ }, 'the browser comes for it late')
  await finished
  await t.rejects(fetch(it.local), 'the server has ended')
  const unvisited = await server(t)
  await unvisited.finish()
})

t.test('a browser that is stuck at an error of Clover opens the address again', async t => {
  for (const method of ['challenge-method', 'plain-challenge']) {
    for (const answer of ['y', 'n']) {
      const clover = await probedClover(t)
      const probed = await probe(t, clover, {
        lowTrust: true,
        args: ['--only', method],
        timing: { fetch: async (url, init) => url instanceof URL && url.pathname.endsWith('/authorize') ? new Response('') : await fetch(url, init) },
        person: { answer: () => answer },
        onPrint: text => { if (text.includes('If Clover shows an error now')) clover.fault({ on: 'authorize', kind: 'status', status: 400 }) }
      })
      const name = method === 'plain-challenge' ? 'plainChallengeAccepted' : 'requireChallengeMethod'
      const value = method === 'plain-challenge' ? probed.fact(name) : probed.report.unknowns[name]
      if (answer === 'y') t.same([probed.outcome(method), value], ['settled', method !== 'plain-challenge'])
      else t.same([probed.outcome(method), value], ['not-settled: the browser came back without an answer of Clover', undefined])
    }
  }
})

t.test('a challenge that the page takes and the exchange refuses is not accepted', async t => {
  const clover = await probedClover(t)
  const probed = await probe(t, clover, {
    lowTrust: true,
    args: ['--yes', '--only', 'challenge-method'],
    onPrint: text => { if (text.includes('If Clover shows an error now')) clover.fault({ on: 'token', kind: 'status', status: 401 }) }
  })
  t.same([probed.outcome('challenge-method'), probed.report.unknowns.requireChallengeMethod], ['settled', true])
})

t.test('Clover refuses http on localhost: the probe says so and stops; through a tunnel it goes on', async t => {
  const clover = await probedClover(t, { unknowns: { httpLocalhost: false } })
  const local = await probe(t, clover, { args: ['--yes'] })
  t.same([local.code, local.report.unknowns], [1, { httpLocalhost: false }])
  t.match(local.outcome('authorization'), /^not-settled: Clover refuses http:\/\/localhost as redirect URI: give the https address of a tunnel to the port with --base-url$/)

  const tunnel = 'https://probe.example'
  for (const httpLocalhost of [false, true]) {
    const clover = await probedClover(t, { unknowns: { httpLocalhost } })
    const port = String(await freePort())
    const probed = await probe(t, clover, {
      args: ['--yes', '--skip', 'cap,limits', '--base-url', tunnel, '--port', port],
      person: { edit: url => url.startsWith(tunnel) ? url.replace(tunnel, `http://localhost:${port}`) : url }
    })
    t.equal(probed.code, 0)
    if (httpLocalhost) t.match(probed.outcome('http-localhost'), /^skipped: Clover does not say so without a log-in/)
    else t.same(probed.report.unknowns.httpLocalhost, false)
  }
})

t.test('an authorize page that fails settles nothing, and does not stop the probe', async t => {
  const clover = await probedClover(t)
  clover.fault({ on: 'authorize', kind: 'status', status: 503 })
  const probed = await probe(t, clover, { args: ['--yes', '--only', 'clock'] })
  t.same([probed.code, probed.report.unknowns.httpLocalhost], [0, true])
  const low = await probe(t, clover, { lowTrust: true, args: ['--yes', '--only', 'challenge-method'], onPrint: text => { if (text.includes('no-refresh-token: skipped')) clover.fault({ on: 'authorize', kind: 'drop-before' }) } })
  t.match(low.outcome('challenge-method'), /^not-settled: \/oauth\/v2\/authorize: network error/)
})

t.test('a launch with both names of the merchant, or with none, settles nothing', async t => {
  const clover = await probedClover(t)
  const both = await probe(t, clover, { args: ['--yes', '--only', 'launch'], person: { launches: true, edit: url => url.includes('employee_id') && !url.includes('code=') ? `${url}&merchantId=1` : url } })
  t.match([both.outcome('launch'), both.fact('launchParameters')], ['skipped: it has both merchant_id and merchantId', 'client_id employee_id merchantId merchant_id'])
  const none = await probe(t, clover, { args: ['--yes', '--only', 'launch'] })
  t.match(none.outcome('launch'), /^skipped: open the app from the merchant's dashboard/)
})

t.test('the browser that is gone at the end gets no last page, and the probe ends', async t => {
  const clover = await probedClover(t)
  let isOver = false
  const probed = await probe(t, clover, {
    args: ['--yes', '--only', 'clock'],
    timing: { farewell: 1_000 },
    onPrint: text => { if (text.includes('its new token works')) isOver = true },
    person: { edit: url => isOver ? undefined : url }
  })
  await until(() => isOver)
  t.equal(probed.code, 0)
})
