import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { interleave, ratio, spread } from '../harness/windows.mjs'
import { rateText, ratioText, verdict } from '../harness/report.mjs'
import { loadAutocannon } from '../harness/load.mjs'

const connections = 16
const pipelining = 4

/** A route that awaits a token against the same route with a constant, over HTTP. */
export async function run ({ rounds, window, quick }) {
  const load = await loadAutocannon()
  if (load === undefined) return { title, targets: [{ target, value: 'autocannon is not installed' }] }
  const server = fork(join(import.meta.dirname, '../harness/route-server.mjs'), { execArgv: [] })
  try {
    const [{ origin }] = await once(server, 'message')
    const subject = path => milliseconds => load({ url: `${origin}${path}`, connections, pipelining, milliseconds })
    const rates = await interleave({ constant: subject('/constant'), token: subject('/token') }, { rounds, window: quick ? window : Math.max(window, 1000) })
    const measured = ratio(rates, 'token', 'constant')
    return {
      title,
      setup: [
        `Two routes of one Fastify server in a process of its own reply \`{ merchantId, token }\`. One awaits \`request.clover.accessToken(merchantId)\` for one of 100 merchants in turn, the other has the token as a constant. Storage: memory; cache: default, warm. Load: autocannon in another process, ${connections} connections, ${pipelining} requests on the way on each.`
      ],
      tables: [{
        columns: ['Route', 'Requests a second', 'Ratio, with its interval of 95 %'],
        rows: [['constant', rateText(spread(rates.constant)), '1'], ['awaits `accessToken()`', rateText(spread(rates.token)), ratioText(measured)]]
      }],
      targets: [{ target, value: ratioText(measured), ...verdict(measured, 0.95) }],
      unfair: ['The constant route does nothing at all: a real handler calls Clover or a database, beside which either route costs nothing.']
    }
  } finally {
    server.disconnect()
  }
}

const title = 'A route that awaits a token'
const target = 'median ratio 0.95 or better'
