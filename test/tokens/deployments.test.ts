import t from 'tap'
import { UnreadableRecord } from '../../src/tokens/store.js'
import { encryptedStorage } from '../../src/storage/index.js'
import type { Installation } from '../../src/installation.js'
import { Store } from '../../src/tokens/store.js'
import { installations } from '../../src/tokens/installations.js'
import { jobsOf } from '../jobs/server-jobs.js'
import { anotherServer, identity, leap, merchantId, otherMerchantId, patiently, refused, startServer, TestStorage, unclear, type ServerOptions } from './one-server.js'

/*
 * A record is bound to a deployment, and refused by every other one (rule 16).
 */

const production = { name: 'production', takeOver: undefined }
const staging = { name: 'staging', takeOver: undefined }
const visit = (name: string) => ({ code: name, verifier: '' })
const now = () => Date.now() / 1000
const otherDeployment = { code: 'FST_CLOVER_OTHER_DEPLOYMENT', statusCode: 500, merchantId, cause: { message: 'the record belongs to production, and this server to staging' } }

/** A record of production, and a server of another deployment on the same store. */
async function twoDeployments (t: { teardown: (fn: () => void) => unknown }, options: ServerOptions = {}) {
  const one = startServer(t, { deployment: production })
  const record = await one.connect()
  const other = anotherServer({ storage: one.storage, clover: one.clover, deployment: staging, ...options })
  return { one, other, record, stored: () => one.storage.records.get(merchantId) as Installation }
}

t.test('every write of a server binds the record to its deployment', async t => {
  const writes: Record<string, (server: ReturnType<typeof startServer>) => Promise<unknown>> = {
    'a lease and a pair': ({ accessTokens }) => accessTokens.refresh(merchantId),
    'a visit': ({ connections }) => connections.connect(merchantId, visit('returning')),
    'a mark': ({ accessTokens, clover }) => {
      clover.intercept = () => refused
      return accessTokens.refresh(merchantId).catch(() => {})
    },
    'a lease without an answer': ({ accessTokens, clover }) => {
      clover.intercept = () => unclear('503')
      return accessTokens.refresh(merchantId).catch(() => {})
    },
    'an authorization in the place of an unusable record': ({ connections, storage }) => {
      storage.records.set(merchantId, { merchantId } as Installation)
      return connections.connect(merchantId, visit('anew'))
    }
  }
  for (const [name, write] of Object.entries(writes)) {
    const unbound = startServer(t)
    const record = await unbound.connect()
    t.notOk('deployment' in record, 'a server without the option binds nothing')
    const { storage, clover } = unbound
    const server = anotherServer({ storage, clover, deployment: production })
    t.equal(await server.accessTokens.accessToken(merchantId), record.accessToken, 'an unbound record is served')
    await patiently(write(server))
    t.equal(storage.records.get(merchantId)?.deployment, 'production', name)
  }
  const first = startServer(t, { deployment: production })
  t.equal((await first.connect()).deployment, 'production', 'a first authorization')
  t.equal((await first.accessTokens.installation(merchantId))?.deployment, 'production', 'an operator sees it')
})

t.test('a server without the option serves every record, and no write of it unbinds one', async t => {
  const writes: Record<string, (server: ReturnType<typeof startServer>) => Promise<unknown>> = {
    'a pair': ({ accessTokens }) => accessTokens.refresh(merchantId),
    'a visit': ({ connections }) => connections.connect(merchantId, visit('returning')),
    'an authorization that replaces a refused pair': ({ connections, clover, storage }) => {
      clover.intercept = (call, run) => call === 'refresh' || call === 'recover' ? refused : run()
      storage.records.set(merchantId, { ...storage.records.get(merchantId) as Installation, reauthorizationRequired: { since: now() - 100, retryAt: now() - 1 } })
      return connections.connect(merchantId, visit('full'), true)
    },
    'an authorization that replaces a damaged record': ({ connections, storage }) => {
      storage.records.set(merchantId, { ...storage.records.get(merchantId) as Installation, accessToken: '' })
      return connections.connect(merchantId, visit('anew'))
    },
    'the same, where not even the revision is left': ({ connections, storage }) => {
      storage.records.set(merchantId, { merchantId, deployment: 'production' } as Installation)
      return connections.connect(merchantId, visit('anew-too'))
    },
    'an authorization that is overtaken by one that Clover refuses then': async ({ connections, clover, storage }) => {
      const overtaken = storage.records.get(merchantId) as Installation
      storage.records.delete(merchantId)
      clover.intercept = (call, run) => {
        if (call === 'exchange') storage.records.set(merchantId, { ...overtaken, reauthorizationRequired: { since: now() - 100, retryAt: now() + 1 } })
        return run()
      }
      return connections.connect(merchantId, visit('overtaking'))
    },
    'an authorization that finds a damaged record only at its write': async ({ connections, clover, storage }) => {
      const damaged = { ...storage.records.get(merchantId) as Installation, accessToken: '' }
      storage.records.delete(merchantId)
      clover.intercept = (call, run) => {
        if (call === 'exchange') storage.records.set(merchantId, damaged)
        return run()
      }
      return connections.connect(merchantId, visit('finding'))
    }
  }
  for (const [name, write] of Object.entries(writes)) {
    const bound = startServer(t, { deployment: production })
    const { revision } = await bound.connect()
    const { storage, clover } = bound
    await patiently(write(anotherServer({ storage, clover })))
    t.match(storage.records.get(merchantId), { deployment: 'production', accessToken: /./ }, name)
    t.not(storage.records.get(merchantId)?.revision, revision, name)
  }
})

t.test('a server of another deployment uses nothing of a bound record, and leaves it as it is (security 43)', async t => {
  const { one, other, record, stored } = await twoDeployments(t)
  await leap(1801)
  const { accessTokens, refreshes, connections, disconnects, adopt, store, reader } = other
  const calls: Record<string, () => Promise<unknown>> = {
    accessToken: () => accessTokens.accessToken(merchantId),
    'accessToken({ rejected })': () => accessTokens.accessToken(merchantId, { rejected: record.accessToken }),
    refresh: () => accessTokens.refresh(merchantId),
    'a refresh of the background': () => refreshes.refresh(merchantId, { enough: () => false }),
    installation: () => accessTokens.installation(merchantId),
    'fetch after a 401': () => accessTokens.afterRefusal(merchantId, record.accessToken),
    'a visit': () => connections.connect(merchantId, visit('a')),
    'the second code of a visit': () => connections.connect(merchantId, visit('b'), true),
    'a v1 token of a browser': () => connections.connectWithToken(merchantId, 'v1-token'),
    adopt: () => adopt({ merchantId, accessToken: 'a', accessTokenExpiration: now() + 100, refreshToken: 'r', refreshTokenExpiration: now() + 100 }),
    disconnect: () => disconnects.disconnect(merchantId),
    'an uninstall': () => disconnects.disconnect(merchantId, now() + 100),
    read: () => reader.read(merchantId),
    find: () => store.find(merchantId)
  }
  for (const [name, call] of Object.entries(calls)) await t.rejects(patiently(call()), otherDeployment, name)
  t.same(one.clover.calls, [], 'no call to Clover')
  t.same(stored(), record)
  t.same(other.events.filter(({ type }) => type !== 'storage-failed'), [])
  await leap(400 * 86_400)
  t.match(await patiently(jobsOf(other).keepAlive.run()), { candidates: 1, due: 0, unusable: 1, failed: 0, isComplete: true })
  const listed = []
  for await (const item of installations(other.store, { unusable: true })) listed.push(item)
  t.match(listed, [{ merchantId, unusable: /belongs to another deployment.*\(the record belongs to production, and this server to staging\)$/ }])
  for await (const item of installations(other.store)) t.fail(`listed: ${item.merchantId}`)
  t.same(one.clover.calls, [])
  t.same(stored(), record)
})

t.test('the same server without the option spends the token of the copy', async t => {
  const { one, other, record } = await twoDeployments(t, { storage: new TestStorage() })
  const { accessTokens, storage, clover } = anotherServer({ storage: other.storage, clover: one.clover })
  storage.records.set(merchantId, structuredClone(record))
  await leap(1801)
  await patiently(accessTokens.accessToken(merchantId))
  t.same(clover.calls, ['refresh'])
  t.notOk(clover.inner.isLive(one.storage.records.get(merchantId)?.refreshToken ?? null), 'production\'s refresh token is dead')
})

t.test('a record that another deployment binds meanwhile is refused at once, also if it was served from memory', async t => {
  const { one, other, record } = await twoDeployments(t)
  const { deployment, ...unbound } = record
  one.storage.records.set(merchantId, unbound)
  t.equal(await other.accessTokens.accessToken(merchantId), record.accessToken)
  one.storage.records.set(merchantId, record)
  await leap(11)
  await t.rejects(other.accessTokens.accessToken(merchantId), otherDeployment)

  // Between the read of a first visit and its write.
  one.storage.records.clear()
  one.clover.intercept = (_call, run) => { one.storage.records.set(merchantId, record); return run() }
  await t.rejects(patiently(other.connections.connect(merchantId, visit('late'))), otherDeployment)
  t.same(one.storage.records.get(merchantId), record)
})

t.test('of two deployments that share an unbound record, the first to refresh binds it before it calls Clover', async t => {
  const unbound = startServer(t)
  await unbound.connect()
  const { storage, clover } = unbound
  await leap(1801)
  const servers = [production, staging].map(deployment => anotherServer({ storage, clover, deployment }))
  const outcomes = await patiently(Promise.allSettled(servers.map(({ accessTokens }) => accessTokens.refresh(merchantId))))
  t.same(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  t.match(outcomes.find(({ status }) => status === 'rejected'), { reason: { code: 'FST_CLOVER_OTHER_DEPLOYMENT' } })
  t.same(clover.calls, ['refresh'])
})

t.test('a damaged record of another deployment is neither replaced nor deleted', async t => {
  for (const damage of [{ accessToken: '' }, { revision: '' }, { dueAt: 'never' }]) {
    const { one, other, record, stored } = await twoDeployments(t)
    one.storage.records.set(merchantId, { ...record, ...damage } as Installation)
    const before = structuredClone(stored())
    await t.rejects(other.connections.connect(merchantId, visit('a')), otherDeployment)
    await t.rejects(other.disconnects.disconnect(merchantId), otherDeployment)
    t.same(stored(), before)
    t.same(one.clover.calls, [])
    t.ok(await one.store.find(merchantId) instanceof UnreadableRecord)
    t.same(await patiently(one.connections.connect(merchantId, visit('b'))), { isNew: false })
  }
  const { one, other, record } = await twoDeployments(t)
  one.storage.records.set(merchantId, { ...record, deployment: 7 } as unknown as Installation)
  await t.rejects(other.accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_UNREADABLE' }, 'what is no name protects nothing')
})

t.test('a sealed record of another deployment is neither replaced nor deleted, with or without its key', async t => {
  const key = (id: string) => ({ id, key: Buffer.alloc(32, id) })
  const inner = new TestStorage()
  const storeOf = (id: string, deployment?: { name: string }) => new Store({
    storage: encryptedStorage(inner, { keys: [key(id)] }), appId: identity.appId, environment: identity.environment, timeout: 5_000, ...(deployment && { deployment: { name: deployment.name, serves: (bound: string) => bound === deployment.name } })
  })
  const { record } = await twoDeployments(t)
  await storeOf('mine', production).put(record, undefined)
  t.equal(inner.records.get(merchantId)?.deployment, 'production', 'the name is not sealed')
  t.same(await storeOf('mine', production).get(merchantId), record)
  t.same(await storeOf('mine').get(merchantId), record)
  for (const id of ['mine', 'theirs']) {
    await t.rejects(storeOf(id, staging).find(merchantId), otherDeployment, id)
    t.match(await storeOf(id, staging).list({ limit: 5 }), { items: [], unusable: [{ merchantId, reason: /belongs to another deployment/ }] })
  }
  t.match(await storeOf('theirs', production).find(merchantId), { cause: { code: 'FST_CLOVER_SEALED' }, deployment: 'production' }, 'its own deployment may replace it')
  t.match(await storeOf('theirs').find(merchantId), { cause: { code: 'FST_CLOVER_SEALED' }, deployment: 'production' })
  const { deployment, ...unbound } = record
  await storeOf('mine').put({ ...unbound, merchantId: otherMerchantId }, undefined)
  t.match(await storeOf('theirs', staging).find(otherMerchantId), { cause: { code: 'FST_CLOVER_SEALED' }, deployment: undefined })
})

t.test('a takeover serves the records of one other deployment until its end, and binds them', async t => {
  const moved = { name: 'staging', takeOver: { name: 'production', until: 1_800_000_000 + 86_400 } }
  const { one, other, record, stored } = await twoDeployments(t, { deployment: moved })
  t.equal(await other.accessTokens.accessToken(merchantId), record.accessToken)
  t.equal(stored().deployment, 'production', 'a read binds nothing')
  one.storage.records.set(otherMerchantId, { ...record, merchantId: otherMerchantId, deployment: 'another' })
  await t.rejects(other.accessTokens.accessToken(otherMerchantId), { code: 'FST_CLOVER_OTHER_DEPLOYMENT', cause: { message: /belongs to another, and/ } }, 'a third one is refused')
  await patiently(other.accessTokens.refresh(merchantId))
  t.equal(stored().deployment, 'staging')
  await leap(11)
  await t.rejects(one.accessTokens.accessToken(merchantId), { code: 'FST_CLOVER_OTHER_DEPLOYMENT', cause: { message: 'the record belongs to staging, and this server to production' } }, 'the former one is refused')

  one.storage.records.set(merchantId, { ...stored(), deployment: 'production' })
  await leap(86_400 - 13)
  t.match(await other.store.get(merchantId), { deployment: 'production' }, 'before the end')
  await leap(3)
  await t.rejects(other.store.get(merchantId), otherDeployment)
})
