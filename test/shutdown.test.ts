import Fastify from 'fastify'
import t from 'tap'
import { Shutdown } from '../src/shutdown.js'

/** How long the work was waited for each time while a host closed, in milliseconds, and whether what follows it came last. */
async function close (pluginTimeout: number, timeout: number): Promise<{ drained: number[], isLast: boolean }> {
  const app = Fastify({ pluginTimeout })
  const drained: number[] = []
  let isLast = false
  new Shutdown({ monotonic: () => 0 }, timeout).addHooks(app, [{ drain: async milliseconds => { drained.push(milliseconds); isLast = false } }], () => { isLast = true })
  await app.ready()
  await app.close()
  return { drained, isLast }
}

t.test('each hook waits for a part of what Fastify gives it, as many as the whole time needs, and the last one for the rest (rule 19)', async t => {
  t.same(await close(1000, 3000), { drained: [900, 900, 900, 900, 3000], isLast: true })
  t.same(await close(10_000, 3000), { drained: [3000, 3000], isLast: true })
})

t.test('without a limit of Fastify\'s one hook waits for the whole time', async t => {
  t.same(await close(0, 3000), { drained: [3000, 3000], isLast: true })
})
