import t from 'tap'
import { probe, probedClover } from './probing.js'

t.test('x', async t => {
  const clover = await probedClover(t)
  const began = performance.now()
  const r = await probe(t, clover, { args: ['--yes'] })
  console.error(performance.now() - began)
  console.error(r.out, r.err, r.page)
  console.error(r.code, JSON.stringify(r.report, undefined, 1))
})
