import { ServerClient } from '@auth0/auth0-server-js'

const domain = 'provider.example'

export default {
  name: '@auth0/auth0-server-js',
  call: '`serverClient.getAccessToken({ account })`',
  setup: 'a `ServerClient` with a stateful `stateStore` whose entries are found by the store options of each call, as its README has it for stores on the server; discovery is cached by the library.',
  unfair: 'It keeps the session of a user with a browser and not the installation of a merchant, and reads that session at each call by design. Auth0 itself has a leeway in which a refresh token that was just spent still works; the provider here has none.',

  record: (_account, pair, expiresAt) => ({
    user: { sub: 'user', iss: `https://${domain}/` },
    idToken: undefined,
    refreshToken: pair.refreshToken,
    tokenSets: [{ audience: 'default', accessToken: pair.accessToken, scope: 'openid offline_access', expiresAt }],
    internal: { sid: 'session', createdAt: Math.floor(Date.now() / 1000) },
    domain
  }),

  async connect ({ origin, store }) {
    const stateStore = {
      get: (_identifier, { account }) => store.get(account),
      set: (_identifier, state, _removeIfExists, { account }) => store.set(account, state),
      delete: (_identifier, { account }) => store.delete(account),
      deleteByLogoutToken: async () => {}
    }
    const client = new ServerClient({
      domain,
      clientId: 'client',
      clientSecret: 'secret',
      stateStore,
      transactionStore: stateStore,
      customFetch: (url, options = {}) => {
        const headers = new Headers(options.headers)
        headers.set('x-issuer', `https://${domain}/`)
        return fetch(String(url).replace(`https://${domain}`, origin), { ...options, headers })
      }
    })
    return { token: async account => (await client.getAccessToken({ account })).accessToken }
  }
}
