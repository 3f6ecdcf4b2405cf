import Fastify from 'fastify'
import { report } from './report.mjs'

const [kind, address, table, merchantId, appId] = process.argv.slice(2)
const { open } = await import(`./${kind}.mjs`)
const { read, write } = open(address, table)

const app = Fastify()
app.decorate('accessToken', async merchantId => {
  const record = JSON.parse(await read(merchantId))
  if (record.accessTokenExpiration > Date.now() / 1000 + 60) return record.accessToken
  const response = await fetch('https://apisandbox.dev.clover.com/oauth/v2/refresh', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_id: appId, refresh_token: record.refreshToken })
  })
  if (!response.ok) throw new Error('refused')
  const { access_token: accessToken, refresh_token: refreshToken, access_token_expiration: accessTokenExpiration } = await response.json()
  await write(merchantId, JSON.stringify({ ...record, accessToken, refreshToken, accessTokenExpiration }))
  return accessToken
})
app.get('/token', () => app.accessToken(merchantId))
await app.ready()
report(await app.accessToken(merchantId))
