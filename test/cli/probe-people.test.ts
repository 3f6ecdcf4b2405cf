import t from 'tap'
import { appId, merchantId } from '../testing/simulator-browser.js'
import { probe, probedClover } from './probing.js'

t.test('what may cost something is asked, and a no leaves it out', async t => {
  const clover = await probedClover(t)
  const asked: string[] = []
  const probed = await probe(t, clover, { person: { answer: question => { asked.push(question); return question.includes('recovery-ends') ? 'yes' : 'n' } } })
  t.same(asked.map(question => /([a-z-]+): [^:]*\n[^\n]* run it\? \[y\/n\] $/.exec(question)?.[1]), ['denial', 'recovery', 'recovery-ends', 'code-reuse', 'limits', 'cap', 'uninstall'])
  t.same(['denial', 'recovery', 'cap', 'uninstall'].map(name => probed.outcome(name)), Array(4).fill('skipped: not wanted'))
  t.same([probed.outcome('recovery-ends'), probed.code], ['settled', 0])
})

t.test('the end of stdin is a no to all that follows', async t => {
  const clover = await probedClover(t)
  const probed = await probe(t, clover, { person: { answer: () => undefined } })
  t.same(['denial', 'recovery', 'uninstall'].map(name => probed.outcome(name)), Array(3).fill('skipped: not wanted'))
  t.equal(probed.code, 0)
})

t.test('answers may come in pieces, and several at once', async t => {
  const clover = await probedClover(t)
  const stdin = (async function * () { yield 'n'; yield Buffer.from('o\ny\nn\n') })()
  const probed = await probe(t, clover, { args: ['--only', 'recovery,recovery-ends,code-reuse'], io: { stdin } })
  t.same(['recovery', 'recovery-ends', 'code-reuse'].map(name => probed.outcome(name)), ['skipped: not wanted', 'settled', 'skipped: not wanted'])
})

t.test('with --yes nothing is asked, and what needs hands is left out; programs get JSON lines', async t => {
  const clover = await probedClover(t)
  const { code, out, err, outcome } = await probe(t, clover, { args: ['--yes', '--skip', 'limits'], io: { isTerminal: false } })
  t.same([code, err], [0, ''])
  const lines = out.trim().split('\n').map(line => JSON.parse(line))
  t.match(lines[0], { type: 'open', address: /^http:\/\/localhost:\d+\/$/, trust: 'high' })
  t.match(lines.find(({ name }) => name === 'refresh'), { type: 'experiment', outcome: 'settled', found: [{ name: 'accessTokenDiesAtRefresh', value: false }, {}, {}, {}] })
  t.match(lines.at(-1), { type: 'summary', unknowns: { recovery: 'once' }, isConnected: true, file: /report\.json$/ })
  for (const name of ['denial', 'uninstall']) t.equal(outcome(name), 'skipped: it needs a person: run it without --yes')
})

t.test('nothing that is printed or written has a secret, a token, a code or the merchant', async t => {
  const clover = await probedClover(t)
  const secrets: string[] = [merchantId, 'Fern', appId, String(clover.apps[0].secret)]
  const { env, legacy } = { env: {}, legacy: clover.legacyToken({ merchantId }) }
  const probed = await probe(t, clover, {
    args: ['--merchant', merchantId],
    env: { ...env, CLOVER_LEGACY_TOKEN: legacy },
    timing: {
      fetch: async (url, init) => {
        const response = await fetch(url, init)
        for (const [, value = ''] of (await response.clone().text()).matchAll(/"(?:access_token|refresh_token|authorization_code)":"([^"]+)"/g)) secrets.push(value)
        return response
      }
    },
    person: { edit: url => { secrets.push(...[...new URL(url).searchParams].filter(([name]) => name === 'code' || name === 'state').map(([, value]) => value)); return url } }
  })
  t.ok(secrets.length > 60)
  const all = JSON.stringify(probed)
  t.same([...secrets, legacy].filter(secret => all.includes(secret)), [])
})

t.test('a merchant who had approved the app cannot deny', async t => {
  const clover = await probedClover(t)
  clover.authorize({ merchantId })
  const probed = await probe(t, clover, { args: ['--only', 'denial'], person: { deniesFirst: true } })
  t.equal(probed.outcome('denial'), 'skipped: the merchant had approved the app: uninstall it first')
  t.equal(probed.code, 0)
})

t.test('a denial of another kind, or one that never comes back, is not settled', async t => {
  const clover = await probedClover(t)
  let address = ''
  const edit = (change: (url: URL) => string) => (url: string) => {
    if (/^http:\/\/localhost:\d+\/$/.test(url)) address = url
    return new URL(url).searchParams.has('error') ? change(new URL(url)) : url
  }
  const odd = await probe(t, clover, {
    args: ['--only', 'denial'], person: { deniesFirst: true, edit: edit(url => { url.searchParams.delete('error'); url.searchParams.delete('error_description'); url.searchParams.set('reason', 'no'); return url.href }) }
  })
  t.equal(odd.outcome('denial'), 'not-settled: the denial has parameters of another kind')
  clover.reset()
  const lost = await probe(t, clover, { args: ['--only', 'denial'], person: { deniesFirst: true, edit: edit(() => address) } })
  t.equal(lost.outcome('denial'), 'not-settled: Clover did not come back after the denial')
  clover.reset()
  const denied = await probe(t, clover, { args: ['--yes'], person: { edit: edit(url => url.href), deniesFirst: true } })
  t.equal(denied.code, 0, 'a denial where nobody asked for one: the page comes again')
  const bare = await probedClover(t, { unknowns: { denial: 'bare' } })
  t.equal((await probe(t, bare, { args: ['--yes'], person: { deniesFirst: true } })).code, 0)
  for (const unknowns of [{ denial: 'bare' }, { denial: 'error', echoState: false }] as const) {
    const clover = await probedClover(t, { unknowns })
    t.same((await probe(t, clover, { args: ['--only', 'denial'], person: { deniesFirst: true } })).report.unknowns.denial, unknowns.denial)
  }
})

t.test('an uninstall that was not made is not tried', async t => {
  const clover = await probedClover(t)
  const probed = await probe(t, clover, { args: ['--only', 'uninstall'], person: { answer: question => question.includes('is it uninstalled?') ? 'n' : 'y' } })
  t.equal(probed.outcome('uninstall'), 'skipped: the app was not uninstalled')
  t.equal(probed.code, 0)
})

t.test('another merchant, or none, is not taken', async t => {
  const clover = await probedClover(t)
  const spoil = (name: string, value: string, from: number) => {
    let callbacks = 0
    return (url: string) => {
      const to = new URL(url)
      if (to.pathname === '/callback' && ++callbacks >= from) to.searchParams.set(name, value)
      return to.href
    }
  }
  const other = await probe(t, clover, { args: ['--yes', '--only', 'code-reuse'], person: { edit: spoil('merchant_id', 'LARKSTREET001', 2) } })
  t.equal(other.outcome('code-reuse'), 'not-settled: another merchant authorized the app: choose the same one each time')
  t.equal(other.code, 1)
  t.match(other.err, 'The last authorization gave no token that works (another merchant authorized the app')
  const none = await probe(t, clover, { args: ['--yes'], person: { edit: spoil('merchant_id', 'nonsense', 1) } })
  t.equal(none.outcome('authorization'), 'not-settled: the callback has no merchant_id of 13 characters')
  t.match(none.out, 'nothing was done')
  const wrong = await probe(t, clover, { args: ['--yes'], person: { edit: spoil('merchant_id', 'LARKSTREET001', 1) } })
  t.match(wrong.outcome('authorization'), /^not-settled: /, 'the token does not work for the merchant of the address')
})

t.test('nobody comes: it hints, and gives up', async t => {
  const clover = await probedClover(t)
  const probed = await probe(t, clover, { args: ['--yes'], timing: { patience: 600, hint: 10_000 }, person: { staysAway: true } })
  t.equal(probed.code, 1)
  t.equal(probed.outcome('authorization'), 'not-settled: the browser did not come back from Clover within 0.6 seconds')
  t.match(probed.err, /Waiting for the browser\. If it is stuck, or is closed, open http:\/\/localhost:\d+\//)
  t.match(probed.out, 'The app was not authorized: nothing was done.')
})

t.test('a stop before the first authorization ends it', async t => {
  const clover = await probedClover(t)
  const stop = new AbortController()
  const probed = await probe(t, clover, { args: ['--yes'], io: { signal: stop.signal }, person: { staysAway: true }, onPrint: text => { if (text.includes('Open http')) setImmediate(() => { stop.abort() }) } })
  t.equal(probed.code, 1)
  t.equal(probed.outcome('authorization'), 'skipped: the probe was stopped')
  t.match(probed.out, 'nothing was done')
})

t.test('a stop in the middle, or at a question, leaves the merchant connected', async t => {
  for (const question of [false, true]) {
    const clover = await probedClover(t)
    const stop = new AbortController()
    const probed = await probe(t, clover, {
      args: question ? ['--skip', 'denial'] : ['--yes'],
      io: { signal: stop.signal },
      person: { answer: async () => { stop.abort(); return await new Promise(() => {}) } },
      onPrint: text => { if (!question && text.includes('refresh: settled')) stop.abort() }
    })
    t.equal(probed.code, 1)
    t.match([probed.outcome('refresh'), probed.outcome('recovery'), probed.outcome('claims')], ['settled', 'skipped: the probe was stopped', 'skipped: the probe was stopped'])
    t.match(probed.out, 'its new token works')
  }
})

t.test('a stop while a code grows old, and while the browser is away', async t => {
  for (const only of ['code-lifetime', 'cap']) {
    const clover = await probedClover(t)
    const stop = new AbortController()
    let visits = 0
    const probed = await probe(t, clover, {
      args: ['--yes', '--wait', '1000', '--only', only],
      io: { signal: stop.signal },
      person: {
        edit: url => {
          if (only === 'cap' && url.includes('/authorize?') && ++visits === 4) stop.abort()
          if (only === 'code-lifetime' && url.includes('/callback?') && ++visits === 2) setTimeout(() => { stop.abort() }, 100)
          return url
        }
      }
    })
    t.equal(probed.outcome(only), 'skipped: the probe was stopped')
    t.match(probed.out, 'its new token works')
  }
})

t.test('a code that was kept for too long is dead', async t => {
  const clover = await probedClover(t, { codeLifetime: 1 })
  const probed = await probe(t, clover, { args: ['--yes', '--only', 'code-lifetime', '--wait', '250'] })
  t.same([probed.outcome('code-lifetime'), probed.fact('codeLivesAtMostSeconds')], ['settled', 250])
})

t.test('an access token that is a JWT', async t => {
  const payloads: Array<[string, string | undefined]> = [
    [JSON.stringify({ merchant_uuid: merchantId }), 'the merchant'], [JSON.stringify({ merchant_uuid: 'canary' }), 'something else'], ['{}', 'missing'], ['null', undefined], ['"text"', undefined]
  ]
  let counter = 0
  for (const [payload, says] of payloads) {
    // The second part of a token has 64 bytes.
    const clover = await probedClover(t, { random: size => size === 1 ? Buffer.from([0]) : size === 64 ? Buffer.from(payload.padEnd(64)) : Buffer.from(String(++counter).padStart(size, '0').slice(-size)) })
    const probed = await probe(t, clover, { args: ['--yes', '--only', 'claims'] })
    t.same([probed.fact('accessTokenIsJwt'), probed.fact('merchantUuidClaim')], [says !== undefined, says])
  }
})

t.test('a token of one part is no JWT, and one that ended meanwhile is replaced', async t => {
  const clover = await probedClover(t)
  const probed = await probe(t, clover, {
    args: ['--yes', '--only', 'claims'],
    timing: {
      fetch: async (url, init) => {
        const headers = Object.fromEntries(Object.entries(init?.headers ?? {}).map(([name, value]) => [name, String(value).replaceAll('~', name === 'authorization' ? '.' : '~')]))
        const response = await fetch(url, { ...init, headers })
        const text = await response.text()
        return new Response(text.replace(/"access_token":"[^"]+"/, token => token.replaceAll('.', '~')), response)
      }
    },
    onPrint: text => { if (text.includes('authorization: settled')) clover.fault({ on: 'merchant', kind: 'status', status: 401 }) }
  })
  t.same([probed.outcome('claims'), probed.fact('accessTokenIsJwt')], ['settled', false])
  t.equal(clover.count('token'), 3)
})

t.test('without a Date nothing is measured', async t => {
  const clover = await probedClover(t)
  const probed = await probe(t, clover, {
    args: ['--yes', '--only', 'clock'],
    timing: {
      fetch: async (url, init) => {
        const response = await fetch(url, init)
        const headers = new Headers(response.headers)
        headers.delete('date')
        return new Response(await response.text(), { status: response.status, headers })
      }
    }
  })
  t.match([probed.outcome('clock'), probed.fact('dateHeader')], [/^not-settled: no answer has a Date/, false])
  t.same(probed.report.measured, {})
})
