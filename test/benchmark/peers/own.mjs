import { memoryStorage } from '../../../dist/storage/index.js'
import { recordOf, startHost } from '../harness/host.mjs'

/** fastify-clover in the form of a peer, for the storms. Its store is `memoryStorage()`, which each server gets through an object of its own. */
export default {
  name: 'fastify-clover',
  makeStore: () => new OwnStore(),
  record: (account, pair, expiresAt, environment) => recordOf({ merchantId: account, ...pair, environment, left: expiresAt - Math.floor(Date.now() / 1000) }),

  async connect ({ environment, store, callTimeout = 10_000, storageTimeout = 5_000 }) {
    const app = await startHost({ environment, storage: store.storage, callTimeout, runtime: { storageTimeout } })
    await app.ready()
    return { token: account => app.clover.accessToken(account), close: () => app.close() }
  }
}

class OwnStore {
  fails = () => false
  #rows

  constructor (rows = memoryStorage()) {
    this.#rows = rows
    this.storage = {
      get: merchantId => rows.get(merchantId),
      put: async (next, expected) => {
        if (this.fails(next)) throw new Error('the database is down')
        return await rows.put(next, expected)
      },
      delete: (merchantId, expected) => rows.delete(merchantId, expected)
    }
  }

  async set (_account, record) {
    await this.storage.put(record, undefined)
  }

  another () {
    return new OwnStore(this.#rows)
  }
}
