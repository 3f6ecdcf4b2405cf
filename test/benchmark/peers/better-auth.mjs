import { betterAuth } from 'better-auth'
import { genericOAuth } from 'better-auth/plugins'
import { createAdapterFactory } from 'better-auth/adapters'

export default {
  name: 'better-auth',
  call: '`auth.api.getAccessToken({ body: { accountId, userId } })`',
  setup: 'the plugin `genericOAuth` for the provider, and a database adapter made with its own `createAdapterFactory` over the same store as the others. It refreshes what ends within five seconds, and stores it.',
  unfair: 'It is a framework for log-ins: the call passes through its router, its hooks and its checks of the body, and reads the account from the database each time. It promises nothing about refreshes that happen at once.',

  record: (account, pair, expiresAt) => ({
    id: account,
    accountId: account,
    providerId: 'provider',
    userId: account,
    accessToken: pair.accessToken,
    refreshToken: pair.refreshToken,
    accessTokenExpiresAt: new Date(expiresAt * 1000).toISOString(),
    scope: 'all',
    createdAt: new Date(0).toISOString(),
    updatedAt: new Date(0).toISOString()
  }),

  async connect ({ origin, store }) {
    const idOf = where => where.find(({ field }) => field === 'id' || field === 'userId')?.value
    const database = createAdapterFactory({
      config: { adapterId: 'benchmark', adapterName: 'The store of the benchmark', supportsDates: false, supportsJSON: false, supportsBooleans: true, supportsNumericIds: false },
      adapter: () => ({
        create: async ({ data }) => { await store.set(data.id, data); return data },
        findOne: async ({ model, where }) => model === 'account' ? await store.get(idOf(where)) ?? null : null,
        findMany: async ({ model, where }) => {
          const found = model === 'account' ? await store.get(idOf(where)) : undefined
          return found === undefined ? [] : [found]
        },
        update: async ({ where, update }) => {
          const next = { ...await store.get(idOf(where)), ...update }
          await store.set(next.id, next)
          return next
        },
        updateMany: async () => 0,
        delete: async () => {},
        deleteMany: async () => 0,
        count: async () => 0
      })
    })
    const auth = betterAuth({
      database,
      secret: 'the secret of the benchmark, 32 characters',
      baseURL: 'http://localhost:3000',
      logger: { disabled: true },
      telemetry: { enabled: false },
      plugins: [genericOAuth({ config: [{ providerId: 'provider', clientId: 'client', clientSecret: 'secret', authorizationUrl: `${origin}/authorize`, tokenUrl: `${origin}/token` }] })]
    })
    return { token: async account => (await auth.api.getAccessToken({ body: { accountId: account, userId: account } })).accessToken }
  }
}
