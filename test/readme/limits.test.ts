import Fastify from 'fastify'
import t from 'tap'
import { highTrust, merchantA, ordinaryOptions, startClover } from '../harness/host.js'
import { Time } from '../harness/time.js'
import { registerLimited } from './limits.js'

t.test('the limits of the guide to the routes for launch and callback hold for each visitor', async t => {
  const clover = await startClover(t, new Time())
  const app = Fastify({ trustProxy: true })
  t.teardown(() => app.close())
  await registerLimited(app, ordinaryOptions(clover, highTrust))
  const visit = (url: string, ip: string) => app.inject({ url, headers: { accept: 'text/html', 'x-forwarded-for': ip } })
  for (const [path, expected] of [[`/clover/launch?merchant_id=${merchantA}`, 302], ['/clover/callback?error=access_denied', 403]] as const) {
    const statuses: number[] = []
    for (let i = 0; i < 25; i++) statuses.push((await visit(path, '192.0.2.1')).statusCode)
    t.same(statuses, [...Array<number>(20).fill(expected), ...Array<number>(5).fill(429)], path)
    const refused = await visit(path, '192.0.2.1')
    t.match(refused.headers['retry-after'], /^\d+$/)
    t.equal((await visit(path, '192.0.2.2')).statusCode, expected, 'another visitor is served')
  }
})
