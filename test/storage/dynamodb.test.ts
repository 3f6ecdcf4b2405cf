import { once } from 'node:events'
import { mock } from 'node:test'
import { DynamoDB } from '@aws-sdk/client-dynamodb'
import dynalite from 'dynalite'
import t, { type Test } from 'tap'
import { dynamodbStorage, type DynamodbClient } from '../../src/storage/index.js'
import { storageConformance } from '../../src/testing/conformance/index.js'
import { after, merchant, record } from '../../src/testing/conformance/records.js'
import { uniqueName } from '../harness/services.js'
import { mockTimers } from '../harness/mock-timers.js'
import { conforms, ofServers } from './conforms.js'
import { testReadyAdapter } from './ready-adapter.js'

/*
 * Against dynalite, an emulator: DynamoDB itself cannot be had where these tests run.
 */

const server = dynalite({ createTableMs: 5, deleteTableMs: 5 })
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as { port: number }
t.teardown(() => new Promise(resolve => { server.close(resolve) }))

function openClient (t: Test, options = {}): DynamoDB {
  const client = new DynamoDB({ endpoint: `http://127.0.0.1:${port}`, region: 'us-east-1', credentials: { accessKeyId: 'key', secretAccessKey: 'secret' }, ...options })
  t.teardown(() => { client.destroy() })
  return client
}

/** The one case that it cannot pass. */
const tooLarge = 'long tokens and a record of a megabyte are kept'

t.test('conforms over dynalite, with a second client, but for records larger than DynamoDB takes', async t => {
  const [one, other] = [openClient(t), openClient(t)]
  const make = () => {
    const table = uniqueName('table')
    return { storage: dynamodbStorage(one, { table }), another: dynamodbStorage(other, { table }), cleanup: () => one.deleteTable({ TableName: table }) }
  }
  await conforms(t, make, wanted => wanted.name !== tooLarge && ofServers(wanted))
  const large = storageConformance(make).find(({ name }) => name === tooLarge)
  await t.rejects(Promise.resolve(large?.run()), { message: /Item size has exceeded the maximum allowed size/ }, 'a record of a megabyte: an item has 400 kB')
  await testReadyAdapter(t, dynamodbStorage(one, { table: uniqueName('table') }))
})

t.test('a put whose answer was lost, and which the client repeats, is recognized', async t => {
  const client = openClient(t)
  const table = uniqueName('table')
  let isTwice = false
  const repeating = { ...methodsOf(client), putItem: async (input: Parameters<DynamodbClient['putItem']>[0]) => { if (isTwice) await client.putItem(input); return await client.putItem(input) } }
  const storage = dynamodbStorage(repeating, { table })
  await storage.setup()
  isTwice = true
  const first = record()
  t.equal(await storage.put(first, undefined), true)
  t.equal(await storage.put(after(first), first.revision), true)
  t.equal(await storage.put(first, undefined), false, 'another put is not')
  t.equal(await storage.put(first, first.revision), false)
})

t.test('servers that set up at once all succeed, and a table of another key is refused', async t => {
  const table = uniqueName('table')
  await Promise.all(Array.from({ length: 4 }, () => dynamodbStorage(openClient(t), { table }).setup()))
  t.equal(await dynamodbStorage(openClient(t), { table }).put(record(), undefined), true)
  const client = openClient(t)
  const wrong = uniqueName('table')
  await client.createTable({ TableName: wrong, AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }], KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }], BillingMode: 'PAY_PER_REQUEST' })
  await t.rejects(dynamodbStorage(client, { table: wrong }).setup(), { code: 'FST_CLOVER_STORAGE', cause: { message: /has the key \["id"\], not \["merchantId"\]/ } })
})

t.test('an item that is no record concerns one merchant', async t => {
  const client = openClient(t)
  const table = uniqueName('table')
  const storage = dynamodbStorage(client, { table })
  await storage.setup()
  await client.putItem({ TableName: table, Item: { merchantId: { S: merchant(1) }, revision: { S: 'a' } } })
  t.same((await storage.list({ limit: 5 })).items, [{ merchantId: merchant(1), revision: 'a', dueAt: null }])
  await t.rejects(dynamodbStorage({ ...methodsOf(client), describeTable: async () => ({}) }, { table }).setup(), { cause: { message: /has the key \[\]/ } })
})

t.test('a failure is no answer', async t => {
  const away = openClient(t, { endpoint: 'http://127.0.0.1:1', maxAttempts: 1 })
  const storage = dynamodbStorage(away)
  const calls: Array<Promise<unknown>> = [storage.setup(), storage.get(merchant(1)), storage.put(record(), undefined), storage.delete(merchant(1)), storage.list({ limit: 1 })]
  for (const outcome of await Promise.allSettled(calls)) t.match(outcome, { status: 'rejected', reason: { code: 'ECONNREFUSED' } })
  const forbidden = Object.assign(new Error('not allowed'), { name: 'AccessDeniedException' })
  const client = openClient(t)
  const limited = { ...methodsOf(client), createTable: async () => { throw forbidden } }
  await t.rejects(dynamodbStorage(limited, { table: uniqueName('table') }).setup(), { message: 'not allowed' })
})

t.test('a table that does not become active ends setup()', async t => {
  mockTimers(t)
  let looks = 0
  const describeTable = async () => {
    looks++
    if (looks > 1 && looks < 122) setImmediate(() => mock.timers.tick(1_000))
    return { Table: { TableStatus: 'CREATING', KeySchema: [{ AttributeName: 'merchantId' }] } }
  }
  await t.rejects(dynamodbStorage({ ...methodsOf(openClient(t)), describeTable }).setup(), { code: 'FST_CLOVER_STORAGE', cause: { message: /is still not active/ } })
  t.equal(looks, 122)
})

t.test('another client, and what is no table\'s name, are refused', async t => {
  for (const client of [undefined, {}, { send () {} }]) t.throws(() => dynamodbStorage(client as DynamodbClient), { name: 'TypeError', message: /^dynamodbStorage: the first argument must be a DynamoDB of @aws-sdk/ })
  t.throws(() => dynamodbStorage(openClient(t), { table: 'a b' }), { name: 'TypeError', message: /table must be a name of 3 to 255/ })
})

function methodsOf (client: DynamoDB): DynamodbClient {
  return {
    getItem: input => client.getItem(input),
    putItem: input => client.putItem(input),
    deleteItem: input => client.deleteItem(input),
    scan: input => client.scan(input),
    describeTable: input => client.describeTable(input),
    createTable: input => client.createTable(input)
  }
}
