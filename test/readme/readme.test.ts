import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import clover from '../../src/index.js'
import { memoryStorage } from '../../src/storage/index.js'
import { apiHost } from '../api/api-host.js'
import { merchantA } from '../harness/host.js'
import { sendMerchantsToLaunch } from './error-handler.js'
import { addItem, newestOrders, turnover } from './api.js'

/*
 * The code that the README and the guides show, run.
 */

t.test('the first block of the README runs as it is', async t => {
  if (!existsSync('dist/index.js')) throw new Error('The package is not built: run npm run build, and then this command again.')
  const folder = await mkdtemp(join(process.cwd(), '.readme-')) // inside, where the package finds itself by its name
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const code = await readFile('test/readme/server.mjs', 'utf8')
  const anyPort = code.replace('await app.listen({ port: 3000 })', 'process.send(await app.listen({ port: 0 }))')
  t.not(anyPort, code)
  await writeFile(join(folder, 'server.mjs'), anyPort)
  const server = spawn(process.execPath, [join(folder, 'server.mjs')], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], env: { PATH: process.env.PATH } })
  t.teardown(() => server.kill())
  const [address] = await once(server, 'message')

  const orders = await fetch(`${address}/orders`, { redirect: 'manual', headers: { accept: 'text/html' } })
  t.equal(orders.headers.get('location'), 'http://localhost:3000/clover/launch?return_to=%2Forders', 'nobody is connected yet')
  const launch = await fetch(`${address}/clover/launch?return_to=%2Forders`, { redirect: 'manual' })
  t.equal(launch.status, 302)
  const authorize = await fetch(String(launch.headers.get('location')))
  t.equal(authorize.status, 200)
  t.match(await authorize.text(), /<form|<a /)
})

t.test('the error handler sends a merchant\'s browser to the launch, and others as usual', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  sendMerchantsToLaunch(app)
  await app.register(clover, {
    environment: 'sandbox', appId: 'APP', appSecret: 'secret', storage: memoryStorage(), cookieSecret: 'x'.repeat(32), baseUrl: 'https://shop.example', routes: { refresh: false }
  })
  app.get('/orders', async request => await request.clover.accessToken(merchantA))
  app.post('/orders', async request => await request.clover.accessToken(merchantA))

  const page = await app.inject({ url: '/orders', headers: { accept: 'text/html' } })
  t.equal(page.statusCode, 302)
  t.match(page.headers.location, new RegExp(`/clover/launch\\?merchant_id=${merchantA}$`))
  t.match((await app.inject({ url: '/orders' })).json(), { statusCode: 409, code: 'FST_CLOVER_NOT_CONNECTED' })
  t.equal((await app.inject({ method: 'POST', url: '/orders', headers: { accept: 'text/html' } })).statusCode, 409)
})

t.test('the functions that call Clover\'s API run', async t => {
  const { app, connect } = await apiHost(t)
  await connect()
  t.match(await newestOrders(app.clover, merchantA), [{ id: 'ORDER00000003' }, { id: 'ORDER00000002' }, { id: 'ORDER00000001' }])
  t.equal(await addItem(app.clover, merchantA, { name: 'Tea', price: 250 }), true)
  t.equal(await turnover(app.clover, merchantA, new Date('2026-01-01')), 3090)
})
