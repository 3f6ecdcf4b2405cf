import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { Callers } from '../../example/lab/callers.js'
import type { Measures } from '../../example/lab/measures.js'
import type { Shops } from '../../example/lab/shops.js'
import { merchantA } from '../harness/host.js'

/*
 * What the lab counts as served: its zero of failures is worth something only if a caller who got an ended token is not counted as served.
 */

const [first, second] = ['the first token', 'the second token']

/** `before`, `after`: the stored token, if it lives then. */
const cases: Array<{ name: string, status: number | null | undefined, before?: string, after?: string, fate: string }> = [
  { name: 'Clover takes the token', status: 200, before: first, after: first, fate: 'served' },
  { name: 'Clover takes the token, which ends at once', status: 200, fate: 'served' },
  { name: 'Clover refuses everything, and the token lives', status: 503, before: first, after: first, fate: 'served' },
  { name: 'Clover refuses everything, and the token ends meanwhile', status: 503, before: first, fate: 'served' },
  { name: 'Clover refuses everything, and a token comes meanwhile', status: 503, after: first, fate: 'served' },
  { name: 'Clover refuses everything, and the token has ended', status: 503, fate: 'without' },
  { name: 'Clover does not answer, and the token lives', status: null, before: first, after: first, fate: 'served' },
  { name: 'Clover does not answer, and the token has ended', status: null, fate: 'without' },
  { name: 'Clover does not know a token that lives', status: 401, before: first, after: first, fate: 'failed' },
  { name: 'Clover does not know a token, which was replaced meanwhile', status: 401, before: first, after: second, fate: 'without' },
  { name: 'Clover does not know a token that has ended', status: 401, fate: 'without' },
  { name: 'the server has no token for it, although one lives', status: undefined, before: first, after: first, fate: 'failed' },
  { name: 'the server has no token for it, and none lives', status: undefined, fate: 'without' }
]

for (const { name, status, before, after, fate } of cases) {
  t.test(`a caller of the lab, ${name}: ${fate}`, async t => {
    const { callers, counted } = await startCallers(t, { status, before, after })
    t.match(await callers.call(merchantA), { fate })
    t.same(counted, [fate])
  })
}

t.test('a caller of a shop that was disconnected meanwhile is not counted', async t => {
  const { callers, counted } = await startCallers(t, { status: undefined, ids: [] })
  t.equal(await callers.call(merchantA), undefined)
  t.same(counted, [])
})

interface Situation { status: number | null | undefined, before?: string | undefined, after?: string | undefined, ids?: string[] }

/** Callers of a server whose handler gets the status from Clover; undefined: no token. */
async function startCallers (t: Test, { status, before, after, ids = [merchantA] }: Situation) {
  const app = Fastify()
  t.teardown(() => app.close())
  app.get('/lab/caller/:merchantId', async (_request, reply) => status === undefined ? reply.code(503).send({}) : { waited: 1, status })
  const address = await app.listen({ port: 0 })
  const counted: string[] = []
  let reads = 0
  const shops = { ids, livingToken: async () => reads++ === 0 ? before : after } as unknown as Shops
  const measures = { count: (fate: string) => { counted.push(fate) } } as Measures
  return { callers: new Callers({ address: () => address, key: 'key', shops, measures }), counted }
}
