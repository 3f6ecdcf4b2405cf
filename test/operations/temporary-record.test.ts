import { randomBytes } from 'node:crypto'
import t from 'tap'
import { memoryStorage, type Installation } from '../../src/storage/index.js'
import { highTrust } from '../harness/host.js'
import { rightStorage, type Data } from '../testing/broken.js'
import { breaking, lookAt, storageChecks } from './broken-store.js'
import { collect, startDoctorHost } from './doctor-host.js'

/*
 * The record that a diagnosis writes to try the store: it is removed however the diagnosis ends, and no other record is.
 */

t.test('an insert that may still be done is told', async t => {
  let land = async () => false
  const { storage, data } = breaking(right => ({
    put: async (next, expected) => {
      land = () => right.put(next, expected)
      throw new Error('no answer')
    }
  }))
  const { findings } = await lookAt(t, storage)
  const told = { status: 'error', message: /temporary record of merchant DIAGNOSE[0-9A-F]{5} may still be there: a write/, fix: /clover\.disconnect\('DIAGNOSE/ }
  t.match(findings['storage-deletes'], told)
  await land()
  const [merchantId = ''] = data.keys()
  t.match(findings['storage-deletes']?.message, merchantId)

  const stuck = breaking(right => ({ list: async () => { stuck.storage.delete = async () => { throw new Error('locked') }; return await right.list({ limit: 1 }) } }))
  t.match((await lookAt(t, stuck.storage)).findings['storage-deletes'], { status: 'error', message: /may still be there: locked/ })
})

t.test('a merchant with the id of a temporary record, and the record of another diagnosis, stay', async t => {
  const storage = memoryStorage()
  const taken = ['DIAGNOSEABCDE', 'DIAGNOSEABCDF']
  const ids = ['abcdef', 'abcdff', 'abcd01']
  const random = (bytes: number) => bytes === 3 ? ids.shift() ?? '000000' : randomBytes(bytes).toString('hex')
  const { diagnose, connect, time } = await startDoctorHost(t, { listens: false, runtime: { random }, simulator: { merchants: taken.map(id => ({ id })) }, options: { storage, callTimeout: 300 } })
  for (const merchantId of taken) await connect(merchantId)
  time.pass(3_600_000)
  t.match(await diagnose(), { 'storage-inserts': { status: 'ok' }, 'storage-deletes': { status: 'ok' }, records: { status: 'ok', message: /: 2\.$/ } })
  t.equal(ids.length, 0)
  for (const merchantId of taken) t.match(await storage.get(merchantId), { merchantId, flow: 'v2' })
})

t.test('the temporary record is removed however the diagnosis ends, and never due', async t => {
  const { storage, data } = breaking(right => ({
    put: async (next, expected) => {
      seen.push(next)
      if (seen.length === 3) abort.abort(new Error('enough'))
      return await right.put(next, expected)
    }
  }))
  const seen: Installation[] = []
  const abort = new AbortController()
  const { app } = await startDoctorHost(t, { listens: false, options: { storage, callTimeout: 300 } })
  await t.rejects(collect(app.clover.diagnose({ signal: abort.signal })), { message: 'enough' })
  t.equal(data.size, 0)
  t.equal(seen.length, 5, 'the step in progress came to its end, and no other began')
  for (const { merchantId, dueAt, refreshToken, refreshTokenExpiration, appId } of seen) t.match({ merchantId, dueAt, refreshToken, refreshTokenExpiration, appId }, { merchantId: /^DIAGNOSE[0-9A-F]{5}$/, dueAt: null, refreshToken: null, refreshTokenExpiration: null, appId: highTrust })

  for await (const { check } of app.clover.diagnose()) if (check === 'storage-inserts') break
  t.equal(data.size, 0, 'a caller who leaves')
  const iterator = app.clover.diagnose()
  while ((await iterator.next()).value?.check !== 'storage-inserts');
  t.equal(data.size, 0, 'a caller who never takes the next one')
})

t.test('an abort while records are listed removes the temporary record too', async t => {
  const abort = new AbortController()
  const { storage, data } = breaking(right => ({
    list: async query => {
      abort.abort(new Error('enough'))
      return await right.list(query)
    }
  }))
  const { app } = await startDoctorHost(t, { listens: false, options: { storage, callTimeout: 300 } })
  await t.rejects(collect(app.clover.diagnose({ signal: abort.signal })), { message: 'enough' })
  t.equal(data.size, 0)
})

t.test('keep-alive and listings of the host do nothing with the temporary record', async t => {
  let checked = 0
  const { storage } = breaking(right => ({
    delete: async (merchantId, expected) => {
      if (checked++ === 0) {
        t.match(await app.clover.keepAlive(), { candidates: 1, due: 0 })
        t.match(await collect(app.clover.installations() as never), [{ merchantId, flow: 'v1' }])
      }
      return await right.delete(merchantId, expected)
    }
  }))
  const { app, diagnose, clover } = await startDoctorHost(t, { listens: false, options: { storage, callTimeout: 300 } })
  t.match(await diagnose(), { 'storage-deletes': { status: 'ok' } })
  t.equal(clover.calls.length, 0)
})

t.test('temporary records that a process left behind are removed once they are old, and two diagnoses at once do not disturb each other', async t => {
  const data: Data = new Map()
  const { diagnose, time } = await startDoctorHost(t, { listens: false, options: { storage: rightStorage(data), callTimeout: 300 } })
  const [one, two] = await Promise.all([diagnose(), diagnose()])
  for (const findings of [one, two]) for (const check of storageChecks) t.equal(findings[check]?.status, 'ok', check)
  const { storage } = breaking(() => ({ put: async next => { kept ??= next; throw new Error('stop') }, delete: async () => true }))
  let kept: Installation | undefined
  await lookAt(t, storage)
  if (kept === undefined) throw new Error('no record')
  data.set(kept.merchantId, { ...kept, environment: 'simulator' })
  t.match((await diagnose()).records, { status: 'ok', message: /: 0\.$/ })
  t.equal(data.size, 1, 'one that may be in use')
  time.pass(700_000)
  t.match((await diagnose()).records, { status: 'ok', message: /: 0\.$/ })
  t.equal(data.size, 0)
})
