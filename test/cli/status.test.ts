import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { appOf, connectDue, run, fixtureWithApp } from './terminal.js'

const summary = { connected: 120, dueSoon: 3, interrupted: 1, doubtful: 0, reauthorizationRequired: 2, unusable: 0, nextRefreshTokenExpiration: 1_800_000_000 as number | null }

const appWith = (t: Test, numbers = summary) => appOf(t, async fastify => { fastify.decorate('clover', { summary: async () => numbers } as unknown as FastifyInstance['clover']) })

const terminal = { isTerminal: true, env: { NO_COLOR: '1' } }

t.test('on a terminal status prints the numbers of summary(), one to a line', async t => {
  t.match(await run(['status', appWith(t)], terminal), {
    code: 0,
    err: '\r\x1b[K',
    out: [
      'connected                       120',
      'due soon                        3',
      'interrupted                     1',
      'doubtful                        0',
      'reauthorization required        2',
      'unusable                        0',
      'next refresh token expiration   2027-01-15T08:00:00Z',
      ''
    ].join('\n')
  })
  t.match((await run(['status', appWith(t, { ...summary, nextRefreshTokenExpiration: null })], terminal)).out, /^next refresh token expiration {3}-$/m)
})

t.test('elsewhere, and with --json, it prints them as they are, in a line of JSON', async t => {
  for (const [args, io] of [[[], {}], [['--json'], {}], [['--json'], terminal]] as const) {
    const { code, err, reports } = await run(['status', ...args, appWith(t)], io)
    t.same([code, err, reports], [0, '', [{ type: 'summary', ...summary }]])
  }
})

t.test('on a terminal the merchants who need somebody stand out', async t => {
  const { out } = await run(['status', appWith(t)], { isTerminal: true })
  t.match(out, 'reauthorization required        \x1b[33m2\x1b[39m\n')
  t.equal(out.match(/\[33m/g)?.length, 1)
})

t.test('the numbers are those of the app\'s store', async t => {
  const fixture = await fixtureWithApp(t)
  await connectDue(fixture, 3)
  await fixture.storage.put({ ...await fixture.record(0), merchantId: 'MERCHANT00009', appId: 'ANOTHERAPP001' } as never, undefined)
  const { code, reports } = await run(['status', fixture.app])
  t.equal(code, 0)
  t.match(reports, [{ merchants: 4, connected: 0, dueSoon: 3, unusable: 1 }])
  t.equal(fixture.clover.count('refresh'), 0)
})
