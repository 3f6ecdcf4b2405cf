import t from 'tap'
import { hasMethod } from '../../src/storage/arguments.js'
import { fromRow, isDamaged } from '../../src/storage/document.js'
import { withPlainErrors } from '../../src/storage/driver-error.js'
import { isLocked } from '../../src/storage/lock-queue.js'
import { record } from '../../src/testing/conformance/records.js'

/*
 * What the ready adapters take for a record, for a client, and for a message of a driver.
 */

t.test('a document that names no merchant and no revision gives what is stored beside it', async t => {
  const row = { revision: 'f', dueAt: '5.5' }
  const whole = record()
  t.same(fromRow({ ...row, document: JSON.stringify(whole) }, 'M'), whole)
  t.equal(isDamaged(whole), false)
  const documents = ['', '{', 'null', '7', '"text"', '[]', '{}', '{"merchantId":"M"}', '{"revision":"f"}', '{"merchantId":7,"revision":"f"}', '{"merchantId":"M","revision":7}', undefined]
  for (const document of documents) {
    const damaged = fromRow({ ...row, document }, 'M')
    t.same(damaged, { merchantId: 'M', revision: 'f', dueAt: 5.5 }, String(document))
    t.equal(isDamaged(damaged), true)
  }
  for (const dueAt of [null, undefined, '', 'soon', 'Infinity']) t.equal(fromRow({ revision: 7, dueAt, document: '' }, 'M').dueAt, null, String(dueAt))
  t.equal(fromRow({ revision: 7, dueAt: 5, document: '' }, 'M').revision, '7')
})

t.test('of a driver\'s error only its message and a code that is a text are passed on', async t => {
  const noMessage = 'The database driver failed without a message.'
  const cases: Array<[thrown: unknown, message: string, code?: string]> = [
    [Object.assign(new Error('down'), { code: '42P01', detail: 'CANARY' }), 'down', '42P01'],
    [Object.assign(new Error(''), { code: 'ECONNREFUSED' }), 'ECONNREFUSED', 'ECONNREFUSED'],
    [Object.assign(new Error('down'), { code: 7 }), 'down'],
    [new Error('down'), 'down'],
    [new Error(''), noMessage],
    [{ code: 'CANARY', message: 'CANARY' }, noMessage],
    ['CANARY', noMessage],
    [undefined, noMessage]
  ]
  for (const [thrown, message, code] of cases) {
    const error = await withPlainErrors(() => { throw thrown }).catch((error: unknown) => error) as Error & { code?: string }
    t.equal(error.message, message)
    t.same(Object.entries(error), code === undefined ? [] : [['code', code]])
  }
  t.equal(await withPlainErrors(async () => 7), 7)
})

t.test('a client is an object or a function with the method, and nothing else', async t => {
  const query = () => {}
  t.equal(hasMethod({ query }, 'query'), true)
  t.equal(hasMethod(Object.assign(() => {}, { query }), 'query'), true, 'postgres.js')
  for (const other of [{ query: 7 }, {}, null, undefined, 'query']) t.equal(hasMethod(other, 'query'), false, typeof other)
})

t.test('a code that only reads like that of a lock is none', async t => {
  t.equal(isLocked(Object.assign(new Error('x'), { code: 'SQLITE_BUSY' })), true)
  t.equal(isLocked(Object.assign(new Error('x'), { code: ['SQLITE_BUSY'] })), false)
})
