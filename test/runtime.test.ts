import { getEventListeners } from 'node:events'
import t from 'tap'
import { realRuntime } from '../src/runtime.js'

const { sleep } = realRuntime
const long = 2_000_000_000

t.test('a pause ends with its signal, also one that was aborted before, and leaves no listener', async t => {
  await sleep(long, AbortSignal.abort())
  const stop = new AbortController()
  const pauses = Promise.all([sleep(long, stop.signal), sleep(long, stop.signal, { ref: false })])
  t.equal(getEventListeners(stop.signal, 'abort').length, 2)
  stop.abort()
  await pauses
  t.equal(getEventListeners(stop.signal, 'abort').length, 0)
})

t.test('a pause ends after its time, and leaves no listener either', async t => {
  const { signal } = new AbortController()
  await Promise.all([sleep(1), sleep(1, signal)])
  t.equal(getEventListeners(signal, 'abort').length, 0)
})
