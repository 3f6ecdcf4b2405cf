// The library calls https://SHOP/admin/oauth/access_token with the fetch that it finds when it is loaded: these calls go to the provider.
const { fetch } = globalThis
let provider = ''
globalThis.fetch = (url, options) => fetch(String(url).replace(/^https:\/\/[a-z0-9-]+\.myshopify\.com/, provider), options)
const { shopifyApp } = await import('@shopify/shopify-app-express')
const { Session } = await import('@shopify/shopify-api')
globalThis.fetch = fetch

const shopOf = account => `${account.toLowerCase()}.myshopify.com`

export default {
  name: '@shopify/shopify-app-express',
  call: '`shopify.ensureValidOfflineSession(shop)`',
  setup: '`shopifyApp` with the flag `expiringOfflineAccessTokens` and a session storage of its own, whose sessions are kept as property arrays, as Shopify\'s own storages keep them. The call loads the session, and refreshes what ends within five minutes.',
  unfair: 'It reads the session storage at each call by design. It is made for embedded apps, where a token can be had anew by token exchange, so that a lost refresh token costs little.',

  record: (account, pair, expiresAt) => new Session({
    id: `offline_${shopOf(account)}`,
    shop: shopOf(account),
    state: '',
    isOnline: false,
    scope: 'read_products',
    accessToken: pair.accessToken,
    expires: new Date(expiresAt * 1000),
    refreshToken: pair.refreshToken,
    refreshTokenExpires: new Date((expiresAt + 7_776_000) * 1000)
  }).toPropertyArray(),

  async connect ({ origin, store }) {
    provider = origin
    const accountOf = id => id.replace('offline_', '').replace('.myshopify.com', '').toUpperCase()
    const shopify = shopifyApp({
      api: { apiKey: 'key', apiSecretKey: 'secret', scopes: ['read_products'], hostName: 'localhost', hostScheme: 'https', apiVersion: '2026-07', logger: { log: () => {}, level: 0 } },
      auth: { path: '/auth', callbackPath: '/auth/callback' },
      webhooks: { path: '/webhooks' },
      future: { expiringOfflineAccessTokens: true },
      sessionStorage: {
        loadSession: async id => {
          const entries = await store.get(accountOf(id))
          return entries && Session.fromPropertyArray(entries)
        },
        storeSession: async session => {
          await store.set(accountOf(session.id), session.toPropertyArray())
          return true
        },
        deleteSession: async id => { await store.delete(accountOf(id)); return true }
      }
    })
    return { token: async account => (await shopify.ensureValidOfflineSession(shopOf(account))).accessToken }
  }
}
