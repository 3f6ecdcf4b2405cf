import Fastify from 'fastify'
import oauth2 from '@fastify/oauth2'

export default {
  name: '@fastify/oauth2',
  call: '`token.expired()`, and `getNewAccessTokenUsingRefreshToken(token)` if it is',
  setup: 'the plugin for the flow, and around it the loop that its README and that of simple-oauth2 show: read the token, refresh it if `expired()`, store the new one. The plugin keeps no tokens; where they are kept is the host\'s.',
  unfair: 'It is made to log in, and not to keep tokens: it promises nothing about refreshes that happen at once. A host that keeps the token object in a variable saves the reading (the row "token objects in a Map").',

  record: (_account, pair, expiresAt) => ({ access_token: pair.accessToken, refresh_token: pair.refreshToken, expires_in: 1800, expires_at: new Date(expiresAt * 1000), token_type: 'Bearer' }),

  async connect ({ origin, store }) {
    const app = Fastify()
    await app.register(oauth2, {
      name: 'provider',
      credentials: {
        client: { id: 'client', secret: 'secret' },
        auth: { authorizeHost: origin, authorizePath: '/authorize', tokenHost: origin, tokenPath: '/token' }
      },
      startRedirectPath: '/login',
      callbackUri: 'http://localhost/callback'
    })
    await app.ready()
    return {
      async token (account) {
        const token = app.provider.oauth2.createToken(await store.get(account))
        if (!token.expired()) return token.token.access_token
        const { token: next } = await app.provider.getNewAccessTokenUsingRefreshToken(token.token)
        await store.set(account, next)
        return next.access_token
      },
      close: () => app.close()
    }
  }
}
