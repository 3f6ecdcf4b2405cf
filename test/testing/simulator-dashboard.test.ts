import Fastify from 'fastify'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { appId, merchantId, simulator, app, Browser, unescape, authorizePath, exchange } from './simulator-browser.js'

t.test('a merchant without the app is led to the App Market, and from there to the app', async t => {
  const clover = await simulator(t, { ...app({ launchUrl: 'https://shop.example/launch' }), notInstalled: 'app-market' })
  const browser = await new Browser(clover).open(authorizePath({ merchant_id: merchantId }))
  await browser.press('Robin Reyes')
  t.match(browser.url, `/appmarket/apps/${appId}`)
  t.match(browser.text, 'See your orders')
  t.equal(clover.count('authorize', { merchantId, ok: true }), 2)
  const forged = await browser.open('/oauth/decision', new URLSearchParams({ decision: 'approve', request: authorizePath({ merchant_id: merchantId }) }))
  t.match(forged.url, '/appmarket', 'nor does a forged form go round it')
  await browser.press('Install')
  t.match(browser.url, /^https:\/\/shop\.example\/launch/)
  await browser.open(authorizePath({ merchant_id: merchantId }))
  t.match(browser.text, 'asks for access')

  t.match((await browser.open('/dashboard/open?app_id=SIMULATORAPP1&merchant_id=LARKSTREET001')).url, '/appmarket')
  t.match((await browser.open(`/appmarket/apps/${appId}`)).text, 'dashboard')
  t.equal((await browser.open('/appmarket/apps/NOSUCHAPP0000')).status, 404)
  t.equal((await browser.open('/appmarket/install', new URLSearchParams({ app_id: 'x', merchant_id: 'y' }))).status, 404)
})

t.test('the dashboard opens an app as Clover does at a launch', async t => {
  const clover = await simulator(t, app())
  const browser = await new Browser(clover).open('/')
  for (const { name, id } of clover.merchants) {
    t.match(unescape(browser.text), name)
    t.match(browser.text, id)
  }
  clover.setLaunchUrl(appId, 'https://shop.example/launch?own=1')
  await browser.follow('Open Loyalty')
  t.match(browser.url, /^https:\/\/shop\.example\/launch/)
  t.same(browser.query, { own: '1', merchant_id: merchantId, employee_id: 'ROBINREYES001', client_id: appId })
  await browser.open('/login', new URLSearchParams({ employee: 'Maya Lindgren', return_to: '/dashboard' }))
  t.match(browser.url, '/dashboard')
  await browser.follow('Open Loyalty')
  t.equal(browser.query.employee_id, 'MAYALINDGREN1')

  await (await browser.open('/')).follow('v1 flow')
  t.equal(await exchange(clover, browser.query.code), 401, 'its code is a legacy one')
  t.same(Object.keys(browser.query), ['merchant_id', 'employee_id', 'client_id', 'code'])

  await (await browser.open('/')).press('Uninstall')
  t.notMatch(browser.text, 'Uninstall')
  await browser.press('Log out')
  t.notMatch(browser.text, 'Maya Lindgren')

  t.throws(() => clover.setLaunchUrl(appId, 'http://evil.example/'), { code: 'FST_CLOVER_SIMULATOR_MISUSE' })
  t.throws(() => clover.setLaunchUrl('NOSUCHAPP0000', 'https://a.example/'), { code: 'FST_CLOVER_SIMULATOR_MISUSE' })
})

t.test('unknown: the parameter of a launch with the merchant id', async t => {
  const clover = await simulator(t, { ...app({ launchUrl: 'https://shop.example/launch' }), unknowns: { launchParameter: 'merchantId' } })
  const browser = await (await new Browser(clover).open('/')).follow('Open Loyalty')
  t.same(browser.query, { merchantId, employee_id: 'ROBINREYES001', client_id: appId })
})

t.test('an app without a launch path is opened by the partial v1 flow, and one without any URL gets a page with an explanation', async t => {
  const clover = await simulator(t, app())
  t.ok((await (await new Browser(clover).open('/')).follow('Open Loyalty')).query.code)
  const lost = await simulator(t, app({ siteUrl: undefined }))
  const browser = await new Browser(lost).open('/')
  t.notMatch(browser.text, 'v1 flow')
  await browser.follow('Open Loyalty')
  t.equal(browser.status, 409)
  t.match(browser.text, 'setLaunchUrl')
  t.match((await browser.open(`/dashboard/open?app_id=${appId}&merchant_id=${merchantId}&flow=v1`)).text, 'Site URL')
  t.equal((await browser.open('/dashboard/open?app_id=x&merchant_id=y')).status, 404)
  t.equal((await browser.open('/dashboard/open')).status, 400)
  t.equal((await browser.open('/dashboard/uninstall', new URLSearchParams({ app_id: appId, merchant_id: 'y' }))).status, 404)
})

t.test('thousands of merchants are found by name or id', async t => {
  const clover = await simulator(t, app())
  clover.addMerchants(3000)
  clover.addMerchant({ id: 'NEEDLE0000001', name: 'Needle <& Thread>' })
  const browser = await new Browser(clover).open('/?q=needle')
  t.match(browser.text, '1 of 3004')
  t.match(unescape(browser.text), 'Needle <& Thread>')
  t.equal((await browser.open('/')).text.match(/<h2>/g)?.length, 50)
  await (await browser.open(authorizePath())).press('Owner')
  t.match(browser.text, '50 of 3001', 'not the three shops at which the person does not work')
  await browser.open(`${authorizePath()}&q=NEEDLE`)
  t.match(browser.text, '1 of 3001')
  t.match(browser.text, '<input type="hidden" name="state" value="a&#38;b &#60;c&#62;">')
  await browser.follow('Needle')
  t.notMatch(browser.url, /[?&]q=/)
  await browser.press('Approve')
  t.equal(browser.query.merchant_id, 'NEEDLE0000001')
})

t.test('webhooks are verified and sent, and an uninstall by hand is announced', async t => {
  const received: { auth: unknown, body: unknown }[] = []
  const host = Fastify()
  host.post('/hook', async request => { received.push({ auth: request.headers['x-clover-auth'], body: request.body }); return {} })
  const webhookUrl = `${await host.listen({ port: 0 })}/hook`
  t.teardown(() => host.close())
  const clover = await simulator(t, { ...app({ webhookUrl, webhookAuth: 'secret', launchUrl: 'https://shop.example/' }), notInstalled: 'app-market', now: () => 5 })

  const verified = await clover.verifyWebhook()
  t.match(verified, { status: 200, body: { verificationCode: /^[0-9a-f]{8}-[0-9a-f]{4}-/ } })
  t.same(received.pop(), { auth: undefined, body: verified.body })

  const event = { objectId: 'O:ORDER00000001', type: 'UPDATE', ts: 1 } as const
  t.equal((await clover.sendWebhook({ merchantId, events: [event] })).status, 200)
  t.same(received.pop(), { auth: 'secret', body: { appId, merchants: { [merchantId]: [event] } } })
  await clover.sendWebhook({ merchantId })
  const uninstalled = { auth: 'secret', body: { appId, merchants: { [merchantId]: [{ objectId: `A:${appId}`, type: 'DELETE', ts: 5 }] } } }
  t.same(received.pop(), uninstalled)

  const announced = async () => { while (received.length === 0) await sleep(1); return received.pop() }
  const browser = await new Browser(clover).open(`/appmarket/apps/${appId}?merchant_id=${merchantId}`)
  await browser.press('Install')
  t.match(await announced(), { body: { merchants: { [merchantId]: [{ type: 'CREATE' }] } } })
  await (await browser.open('/')).press('Uninstall')
  t.same(await announced(), uninstalled)

  await host.close()
  await browser.open(`/appmarket/apps/${appId}?merchant_id=${merchantId}`)
  await browser.press('Install')
  t.match(browser.url, 'https://shop.example/', 'a webhook that nobody takes stops nothing')
  await t.rejects((await simulator(t)).verifyWebhook(), { code: 'FST_CLOVER_SIMULATOR_MISUSE' })
  t.throws(() => clover.setWebhookUrl(appId, 'http://evil.example/'), { code: 'FST_CLOVER_SIMULATOR_MISUSE' })
  clover.setWebhookUrl(appId, 'http://localhost:1/')
  await t.rejects(clover.sendWebhooks({ [merchantId]: [event] }), { message: /fetch failed|bad port/ })
})
