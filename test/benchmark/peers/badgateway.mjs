import { OAuth2Client, OAuth2Fetch } from '@badgateway/oauth2-client'

export default {
  name: '@badgateway/oauth2-client',
  call: '`wrapper.getAccessToken()`',
  setup: 'an `OAuth2Fetch` for each account, made at the first use and kept, whose `getStoredToken` and `storeToken` are those of the store, with `scheduleRefresh: false`, since nobody calls for most accounts of a server. It answers from memory, and joins refreshes of one wrapper.',
  unfair: 'It never reads the store again, and does not wait for its write: it keeps the token of one user in one process, and promises nothing about several.',

  record: (_account, pair, expiresAt) => ({ accessToken: pair.accessToken, refreshToken: pair.refreshToken, expiresAt: expiresAt * 1000 }),

  async connect ({ origin, store }) {
    const wrappers = new Map()
    const client = new OAuth2Client({ server: origin, tokenEndpoint: '/token', clientId: 'client', clientSecret: 'secret' })

    function open (account) {
      const wrapper = new OAuth2Fetch({
        client,
        scheduleRefresh: false,
        getStoredToken: () => store.get(account),
        storeToken: token => { store.set(account, token).catch(() => {}) }, // nobody waits for it
        getNewToken: () => null // only the account's browser could get one
      })
      wrappers.set(account, wrapper)
      return wrapper
    }

    return { token: account => (wrappers.get(account) ?? open(account)).getAccessToken() }
  }
}
