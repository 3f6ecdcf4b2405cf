import * as client from 'openid-client'

export default {
  name: 'openid-client',
  call: 'a look at the end of the token, and `refreshTokenGrant(config, refreshToken)` if it is near',
  setup: 'a `Configuration` made once. The library is stateless: the reply to the refresh is stored with its end (`expiresIn()`), and compared by hand, as its documentation leaves it to the host.',
  unfair: 'It is a protocol library without a store, and promises nothing about refreshes that happen at once. A host that keeps tokens in a variable saves the reading (the row "token objects in a Map").',

  record: (_account, pair, expiresAt) => ({ access_token: pair.accessToken, refresh_token: pair.refreshToken, expires_at: expiresAt }),

  async connect ({ origin, store }) {
    const config = new client.Configuration({ issuer: origin, token_endpoint: `${origin}/token` }, 'client', 'secret')
    client.allowInsecureRequests(config)
    return {
      async token (account) {
        const tokens = await store.get(account)
        if (tokens.expires_at > Date.now() / 1000) return tokens.access_token
        const next = await client.refreshTokenGrant(config, tokens.refresh_token)
        await store.set(account, {
          access_token: next.access_token, refresh_token: next.refresh_token ?? tokens.refresh_token, expires_at: Math.floor(Date.now() / 1000) + next.expiresIn()
        })
        return next.access_token
      }
    }
  }
}
