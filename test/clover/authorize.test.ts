import t from 'tap'
import { authorizeUrl } from '../../src/clover/authorize.js'
import type { CloverApp } from '../../src/clover/app.js'
import { json, clover } from './client-server.js'

t.test('the address of the authorize page has the documented parameters', async t => {
  const { app } = await clover(t, json({}))
  const authorization = { redirectUri: 'https://shop.example/cb', state: 's.0.x', verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk' }
  const environment = { name: 'x', authorize: 'https://authorize.example', api: 'https://api.example', legacy: 'https://legacy.example' }
  const params = (app: CloverApp, merchantId?: string) => {
    const url = new URL(authorizeUrl(app, { ...authorization, ...(merchantId !== undefined && { merchantId }) }))
    return { at: url.origin + url.pathname, ...Object.fromEntries(url.searchParams) }
  }
  const common = { client_id: 'APP', redirect_uri: 'https://shop.example/cb', state: 's.0.x' }
  t.same(params({ ...app, environment }), { at: 'https://authorize.example/oauth/v2/authorize', ...common })
  t.same(params({ ...app, environment }, 'MERCHANT00001'), { at: 'https://authorize.example/oauth/v2/authorize', ...common, merchant_id: 'MERCHANT00001' })
  t.same(params({ ...app, environment, appSecret: false }), {
    at: 'https://authorize.example/oauth/v2/authorize',
    ...common,
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', // RFC 7636, appendix B
    code_challenge_method: 'S256'
  })
  t.same(params({ ...app, environment, flow: 'v1' }), { at: 'https://legacy.example/oauth/authorize', ...common, response_type: 'code' })
})
