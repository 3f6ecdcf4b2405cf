import { OAuth2Client } from 'google-auth-library'

export default {
  name: 'google-auth-library',
  call: '`client.getAccessToken()`',
  setup: 'an `OAuth2Client` for each account, made from the store at the first use and kept, with `eagerRefreshThresholdMillis: 0`; what the event `tokens` brings is written to the store, as its README has it. It answers from memory, and joins refreshes of one client.',
  unfair: 'Google\'s refresh tokens do not rotate, so it has no need to write a new one before it is used, nor to share refreshes between processes: a provider with single-use tokens is not what it was made for. It never reads the store again.',

  record: (_account, pair, expiresAt) => ({ access_token: pair.accessToken, refresh_token: pair.refreshToken, expiry_date: expiresAt * 1000 }),

  async connect ({ origin, store }) {
    const clients = new Map()

    async function open (account) {
      const credentials = await store.get(account)
      const client = new OAuth2Client({ clientId: 'client', clientSecret: 'secret', endpoints: { oauth2TokenUrl: `${origin}/token` }, eagerRefreshThresholdMillis: 0 })
      client.transporter.defaults = { ...client.transporter.defaults, retry: false }
      client.setCredentials(credentials)
      client.on('tokens', tokens => {
        // The new refresh token too: without this line the second refresh is refused.
        if (tokens.refresh_token) client.setCredentials({ ...client.credentials, ...tokens })
        store.set(account, { ...client.credentials, ...tokens }).catch(() => {}) // an event: nobody waits for it
      })
      return client
    }

    return {
      async token (account) {
        let client = clients.get(account)
        if (client === undefined) clients.set(account, client = open(account))
        if (client instanceof Promise) clients.set(account, client = await client)
        return (await client.getAccessToken()).token
      }
    }
  }
}
