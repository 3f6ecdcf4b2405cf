import t from 'tap'
import { storageFailure } from '../../src/tokens/storage-failure.js'
import { withoutPasswords } from '../../src/tokens/without-passwords.js'

t.test('a password is redacted, and the user and the host stay', async t => {
  for (const [message, shown] of [
    ['connect failed: postgres://clover:hunter2@db.example.com:5432/app', 'connect failed: postgres://clover:[redacted]@db.example.com:5432/app'],
    ['redis://:hunter2@db:6379', 'redis://:[redacted]@db:6379'],
    ['mongodb://app:hun@ter2@one,two:27017/x', 'mongodb://app:[redacted]@one,two:27017/x'],
    ['Invalid URL: postgres://app:hun/ter?2#@db/x', 'Invalid URL: postgres://app:[redacted]@db/x'],
    ['postgres://a:hunter2@one/x,postgres://b:hunter3@two/x', 'postgres://a:[redacted]@one/x,postgres://b:[redacted]@two/x'],
    ['postgres://db/x?user=app&password=hunter2&ssl=true', 'postgres://db/x?user=app&password=[redacted]&ssl=true'],
    ['host=db password=hunter2 dbname=x', 'host=db password=[redacted] dbname=x'],
    ["host=db password = 'hunter 2' dbname=x", 'host=db password = [redacted] dbname=x'],
    ['Server=db;Pwd="hunter 2";Database=x', 'Server=db;Pwd=[redacted];Database=x'],
    ['(secret=hunt,er2, host=db)', '(secret=[redacted], host=db)'],
    ['client_token=hunter2,host=db', 'client_token=[redacted],host=db']
  ] as const) t.equal(withoutPasswords(message), shown)
})

t.test('other texts stay as they are', async t => {
  for (const message of [
    'password authentication failed for user "app"',
    'connect ECONNREFUSED 127.0.0.1:5432',
    'http://db:5432/x?mail=a@b',
    'https://db.example.com/x and app@db.example.com',
    'token_type=bearer'
  ]) t.equal(withoutPasswords(message), message)
})

t.test('a failure of the store has no password of its address', async t => {
  const failed = storageFailure('get', new Error('cannot reach mongodb://app:Tr0ub4dor&3@db/x?password=hunter2'), undefined) as Error & { cause: Error }
  t.equal(failed.cause.message, 'cannot reach mongodb://app:[redacted]@db/x?password=[redacted]')
  t.notMatch(failed.message, /Tr0ub4dor|hunter2/)
})
