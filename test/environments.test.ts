import t from 'tap'
import { environments, originProblems, resolveEnvironment } from '../src/environments.js'

t.test('a name resolves to Clover\'s origins', async t => {
  t.same(resolveEnvironment('europe'), environments.europe)
})

t.test('one origin of an environment can be overridden, and it keeps its name', async t => {
  t.same(resolveEnvironment({ base: 'sandbox', authorize: 'https://apisandbox.dev.clover.com' }), {
    ...environments.sandbox, authorize: 'https://apisandbox.dev.clover.com'
  })
})

t.test('custom origins are taken as they are', async t => {
  const custom = { name: 'simulator', authorize: 'http://localhost:1', api: 'http://127.0.0.1:1', legacy: 'http://[::1]:1' }
  t.same(resolveEnvironment(custom), custom)
  t.same(originProblems(custom), [])
})

t.test('plain http beyond loopback, paths and other schemes are refused by name, without their value', async t => {
  for (const bad of ['http://clover.example', 'https://clover.example/x', 'ftp://clover.example', 'nonsense', 'https://u:p@clover.example', 'http://127.0.0.1.evil.example']) {
    const problems = originProblems({ name: 'x', authorize: 'https://a.example', api: bad, legacy: 'https://a.example' })
    t.equal(problems.length, 1, bad)
    t.match(problems[0], /^environment\.api must be/)
    t.notOk(problems[0]?.includes(bad))
  }
})
