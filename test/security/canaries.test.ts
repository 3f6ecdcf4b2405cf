import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import t from 'tap'
import { Canaries, formsOf } from './canaries.js'

/*
 * The search for secrets finds them: otherwise every test that looks for some would pass.
 */

const canaries = new Canaries()
const secrets = Array.from({ length: 300 }, (_, i) => canaries.note(i % 2 === 0 ? 'key' : 'refresh token', i % 2 === 0 ? randomBytes(32) : `token é"${randomBytes(24).toString('base64url')}`))
const noise = (length: number) => randomBytes(length).toString('base64')

t.test('every form of every secret is found, at the beginning, within and at the end of a text, in any case', async t => {
  const missed: string[] = []
  for (const secret of secrets) {
    for (const [form, written] of Object.entries(formsOf(secret))) {
      for (const text of [written, written + noise(40), noise(40) + written, `${noise(7)}${written.toUpperCase()}${noise(9)}`]) {
        if (canaries.find(text).length === 0) missed.push(`${form} in ${text}`)
      }
    }
  }
  t.same(missed, [])
})

t.test('half of a secret is found, and each of several', async t => {
  const [, one = '', , other = ''] = secrets as string[]
  t.match(canaries.find(`x ${one.slice(0, 18)} y`), [/^refresh token, plain, after "x "$/])
  t.match(canaries.find(`x ${one.slice(-18)} y`), [/^refresh token, plain/])
  t.equal(canaries.find(`${one} ${other}`).length, 4)
})

t.test('nothing is found elsewhere, and kinds that may be there are left out', async t => {
  const [key = '', token = ''] = secrets
  t.same(canaries.find(noise(1_000_000)), [])
  t.same(['', 'short', 'a'.repeat(16)].flatMap(text => canaries.find(text)), [])
  t.same(canaries.find(String(token), ['refresh token']), [])
  // Four bytes are sixteen characters as JSON: an ordinary reply has the first or the last four of some secret.
  const reply = Buffer.from('{"statusCode":503,"code":"FST_CLOVER_UNAVAILABLE","error":"Service Unavailable"}')
  const others = new Canaries()
  for (const secret of ['error-MfKq0zWj1Vd', 'tL9-QHr5b2Ynerror', 'Unavail-c3mT7xLkd']) others.note('code', secret)
  t.same(others.find([...reply].join(',')).concat(others.find(inspect(reply))), [])
  t.not(canaries.find(`${Buffer.from(key).toString('hex')} ${token}`, ['refresh token']).length, 0)
})
