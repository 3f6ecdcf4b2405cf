import t from 'tap'
import { isCloverError, storageFailed } from '../../src/errors.js'
import { storageFailure } from '../../src/tokens/storage-failure.js'

interface Cause { message: string, name: string, code?: unknown }

const causeOf = (error: unknown, secrets?: unknown[]) => (storageFailure('put', error, 'MERCHANT0000A', secrets) as { cause: Cause }).cause

t.test('tokens that the adapter was called with are redacted, whatever their form, and nothing else is', async t => {
  const text = 'null and undefined of 7 rows: short-token'
  t.equal(causeOf(new Error(text), ['short-token']).message, 'null and undefined of 7 rows: [redacted]')
  t.equal(causeOf(new Error(text), [undefined, null, 7, '']).message, text)
  t.equal(causeOf(text, ['short-token']).message, 'null and undefined of 7 rows: [redacted]', 'what is thrown need not be an error')
  t.equal(causeOf(new Error(`x ${'ab1'.repeat(10)} y`)).message, 'x [redacted] y')
  t.equal(causeOf(new Error('incomprehensibilities-of-databases')).message, 'incomprehensibilities-of-databases')
  t.equal(causeOf(new Error('a '.repeat(1000))).message.length, 500)
})

t.test('a short name and code of the error are kept, and no other', async t => {
  const coded = (code: unknown, name = 'Error') => causeOf(Object.assign(new Error('x'), { code, name }))
  for (const code of ['SQLITE_BUSY', '23505', 'NotFound', 1062, 'A'.repeat(40)]) t.equal(coded(code).code, code)
  for (const code of ['A'.repeat(61), 'with blanks', 'a1b2', '', null, { toString: () => 'SECRET' }, ['SECRET'], true]) t.notOk('code' in coded(code), String(code))
  t.notOk('code' in causeOf(new Error('x')))
  t.equal(coded(1, 'MongoServerError').name, 'MongoServerError')
  for (const name of ['', 'with blanks', 'A'.repeat(61)]) t.equal(coded(1, name).name, 'Error')
  t.notOk('code' in causeOf('a text'))
})

t.test('an error of this package stays what it is', async t => {
  const error = storageFailed('get', 'for a reason')
  t.equal(storageFailure('put', error, undefined), error)
  t.ok(isCloverError(storageFailure('put', new Error('x'), undefined), 'FST_CLOVER_STORAGE'))
})
