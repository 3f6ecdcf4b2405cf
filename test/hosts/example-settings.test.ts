import t from 'tap'
import { leftAtRefresh } from '../../example/pages/token.js'
import { BadSettings, freshness, readLabSettings, readMigrationSettings, readSettings } from '../../example/settings.js'
import { connect } from '../harness/browser.js'
import { merchantA, startHost } from '../harness/host.js'

t.test('a setting of the example that cannot be right is a sentence, and none is ignored in silence', async t => {
  const real = { CLOVER_APP_ID: 'APP', CLOVER_ENVIRONMENT: 'sandbox', BASE_URL: 'https://daybook.example', COOKIE_SECRET: 'x'.repeat(32) }
  const wrong: Array<[env: Record<string, string>, says: RegExp]> = [
    [{ PORT: 'abc' }, /^PORT must be a whole number from 1 to 65535\.$/],
    [{ SIMULATOR_PORT: '70000', ACCESS_TOKEN_LIFETIME: '1.5' }, /^SIMULATOR_PORT must be .*\nACCESS_TOKEN_LIFETIME must be .*$/],
    [{ LOG_LEVEL: 'loud' }, /^LOG_LEVEL must be one of trace, /],
    [{ CLOVER_APP_SECRET: 'secret' }, /^CLOVER_APP_ID must be set too: .* CLOVER_APP_SECRET has no effect\.$/],
    [{ CLOVER_WEBHOOK_AUTH: 'short', ...real, CLOVER_APP_SECRET: 'secret' }, /^CLOVER_WEBHOOK_AUTH must be the Clover Auth Code/],
    [{ ...real, CLOVER_LOW_TRUST: 'yes' }, /^CLOVER_LOW_TRUST must be 1, or not set\.$/],
    [{ ...real, CLOVER_APP_SECRET: 'secret', CLOVER_LOW_TRUST: '1' }, /^CLOVER_APP_SECRET must be the App Secret/],
    [{ MERCHANTS: 'abc' }, /^MERCHANTS must be a whole number from 1 to 1000000\.$/],
    [{ MERCHANTS: '0' }, /^MERCHANTS must/],
    [{ RATE: 'fast' }, /^RATE must be a number of requests a second from 0\.01 to 1000\.$/],
    [{ RATE: '0' }, /^RATE must/]
  ]
  for (const [env, message] of wrong) {
    const refused = t.throws(() => readMigrationSettings(env), { message }, JSON.stringify(env))
    t.ok(refused instanceof BadSettings)
  }
  t.throws(() => readSettings({ BASE_URL: 'https://daybook.example/path' }), { message: /^BASE_URL must be/ })
  t.throws(() => readLabSettings({ MERCHANTS: '-1', TROUBLE_SECONDS: '0', LOCK_SECONDS: 'long' }), {
    message: /^MERCHANTS must be a whole number from 0 to 10000\.\nTROUBLE_SECONDS must be .*\nLOCK_SECONDS must be /
  })
  t.match(readLabSettings({ MERCHANTS: '0' }), { port: 3000, merchants: 0, troubleSeconds: 30, lockSeconds: 10 })
  t.match(readMigrationSettings({ PORT: '' }), { port: 3000, merchants: 1000, rate: 1000 })
  t.match(readMigrationSettings({ MERCHANTS: '7', RATE: '0.5' }), { merchants: 7, rate: 0.5 })
  t.match(readMigrationSettings({ ...real, CLOVER_LOW_TRUST: '1' }), { rate: 20, realClover: { appSecret: false } })
})

t.test('an access token of the example is refreshed when its page says so', async t => {
  for (const [accessTokenLifetime, seconds] of [[120, 36], [1800, 540], [30, 10], [8, 4]] as const) {
    t.equal(leftAtRefresh(accessTokenLifetime), seconds)
    const { app, clover, browser, time } = await startHost(t, { simulator: { accessTokenLifetime }, options: freshness })
    await connect(browser(), clover, merchantA)
    time.pass((accessTokenLifetime - seconds - 1.5) * 1000)
    await app.clover.accessToken(merchantA)
    t.equal(clover.count('refresh'), 0, 'not before')
    time.pass(3_000)
    await app.clover.accessToken(merchantA)
    for (let turn = 0; clover.count('refresh') === 0 && turn < 500; turn++) await new Promise(resolve => setTimeout(resolve, 10))
    t.equal(clover.count('refresh'), 1)
  }
})
