import Fastify from 'fastify'
import t from 'tap'
import { Callers } from '../../example/lab/callers.js'
import type { Measures } from '../../example/lab/measures.js'
import type { Shops } from '../../example/lab/shops.js'
import { merchantA } from '../harness/host.js'

/*
 * What the lab counts as served: its zero of failures is worth something only if a caller who got an ended token is not counted as served.
 */

const cases = [
  { name: 'Clover takes the token', status: 200, lives: true, fate: 'served' },
  { name: 'Clover refuses everything, and the token lives', status: 503, lives: true, fate: 'served' },
  { name: 'Clover refuses everything, and the token has ended', status: 503, lives: false, fate: 'without' },
  { name: 'Clover does not answer, and the token has ended', status: null, lives: false, fate: 'without' },
  { name: 'Clover does not know the token that lives by its own count', status: 401, lives: true, fate: 'failed' },
  { name: 'Clover does not know the token, which has ended', status: 401, lives: false, fate: 'without' },
  { name: 'the server has no token for it, although one lives', status: undefined, lives: true, fate: 'failed' },
  { name: 'the server has no token for it, and none lives', status: undefined, lives: false, fate: 'without' }
]

for (const { name, status, lives, fate } of cases) {
  t.test(`a caller of the lab, ${name}: ${fate}`, async t => {
    const app = Fastify()
    t.teardown(() => app.close())
    app.get('/lab/caller/:merchantId', async (_request, reply) => status === undefined ? reply.code(503).send({}) : { waited: 1, status })
    const address = await app.listen({ port: 0 })
    const counted: string[] = []
    const shops = { ids: [merchantA], livingToken: async () => lives ? 'token' : undefined } as unknown as Shops
    const callers = new Callers({ address: () => address, key: 'key', shops, measures: { count: (fate: string) => { counted.push(fate) } } as Measures })
    t.match(await callers.call(merchantA), { fate })
    t.same(counted, [fate])
  })
}
