import { Type, type TObject } from '@sinclair/typebox'
import t from 'tap'
import { Compiled } from '../../src/checks/compiled.js'

const Pair = Type.Object({ token: Type.String({ minLength: 1 }), times: Type.Object({ end: Type.Number() }) })

t.test('a check tells what has the form of its schema, and where another value first does not', async t => {
  const pair = new Compiled(Pair)
  t.ok(pair.accepts({ token: 'a secret', times: { end: 1 } }))
  t.notOk(pair.accepts({ token: 'a secret', times: { end: 'now' } }))
  t.same(pair.firstError({ token: 'a secret', times: { end: 'now' } }), { path: '/times/end', message: 'Expected number' })
  t.same(new Compiled(Pair).firstError(undefined), { path: '/', message: 'Expected object' })
})

t.test('a schema is compiled when its check is first used, and once', async t => {
  let reads = 0
  const counted = new Proxy<TObject>(Pair, { get (schema, name, receiver) { reads++; return Reflect.get(schema, name, receiver) } })
  const pair = new Compiled(counted)
  t.equal(reads, 0)
  pair.accepts({})
  const first = reads
  t.ok(first > 0)
  pair.accepts({})
  t.equal(reads, first)
})
