import { createOAuthUserAuth } from '@octokit/auth-oauth-user'
import { request } from '@octokit/request'

export default {
  name: '@octokit/auth-oauth-user',
  call: '`auth()`',
  setup: 'an `auth` function for each account with `clientType: \'github-app\'`, made from the store at the first use and kept. `onTokenCreated` is not called for a refresh that `auth()` makes by itself, so what `auth()` resolves with is compared, and written to the store if it is new.',
  unfair: 'It is made for the token of one user in one process; it does not say that calls at once are joined, nor that processes share a token.',

  record: (_account, pair, expiresAt) => ({ token: pair.accessToken, refreshToken: pair.refreshToken, expiresAt: new Date(expiresAt * 1000).toISOString() }),

  async connect ({ origin, store }) {
    const users = new Map()

    async function open (account) {
      const { token, refreshToken, expiresAt } = await store.get(account)
      const auth = createOAuthUserAuth({
        clientType: 'github-app',
        clientId: 'lv1.client',
        clientSecret: 'secret',
        token,
        expiresAt,
        refreshToken,
        refreshTokenExpiresAt: new Date(Date.now() + 1e10).toISOString(),
        request: request.defaults({ baseUrl: `${origin}/api/v3` })
      })
      return { auth, stored: refreshToken }
    }

    return {
      async token (account) {
        let user = users.get(account)
        if (user === undefined) users.set(account, user = open(account))
        if (user instanceof Promise) users.set(account, user = await user)
        const { token, refreshToken, expiresAt } = await user.auth()
        if (refreshToken !== user.stored) {
          user.stored = refreshToken
          await store.set(account, { token, refreshToken, expiresAt })
        }
        return token
      }
    }
  }
}
