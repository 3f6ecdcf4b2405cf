import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { merchantOf, recordOf } from '../harness/host.mjs'
import { startProvider } from '../harness/provider.mjs'
import { number } from '../harness/report.mjs'
import { median } from '../harness/statistics.mjs'
import { makeStore } from '../harness/stores.mjs'
import { thousandInVirtualTime } from '../harness/thousand-in-virtual-time.mjs'

const maxCalls = 8
const names = { postgres: 'PostgreSQL', redis: 'Redis' }

const range = values => `${median(values).toFixed(2)} (${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)})`

/** A thousand stale merchants that all processes need at once. */
export async function run ({ quick, rounds, progress }) {
  const processes = quick ? 2 : 4
  const merchants = quick ? 20 : 1000
  const runs = quick ? 1 : Math.min(5, rounds)
  const rows = []
  const bareRows = []
  const targets = []
  const remarks = []
  for (const kind of ['postgres', 'redis']) {
    const results = []
    for (let n = 0; n < runs; n++) {
      const [store, another] = [await makeStore(kind), await makeStore(kind)]
      if (store === undefined) break
      const bare = await thousand({ store: another, count: merchants, processes, way: 'bare' })
      const result = await thousand({ store, count: merchants, processes, way: 'tokens' })
      results.push({ ...result, bare: bare.milliseconds, bareRatio: bare.ratio, bareProcessor: bare.processor, overBare: result.milliseconds / bare.milliseconds })
      progress(`${names[kind]}, run ${n + 1} of ${runs}`)
    }
    if (results.length === 0) {
      targets.push({ target: names[kind], value: 'no server' })
      continue
    }
    const of = name => results.map(result => result[name])
    const ratio = median(of('ratio'))
    const errors = [...new Set(of('errors').flat())]
    if (errors.length > 0) remarks.push(`${names[kind]}: the errors were ${errors.join('; ')}.`)
    rows.push([names[kind], ...['calls', 'refused', 'failed', 'maxOpen'].map(name => Math.max(...of(name))), `${number(median(of('milliseconds')))} ms`, `${number(median(of('possible')))} ms`, `${range(of('ratio'))}`])
    bareRows.push([names[kind], `${number(median(of('bare')))} ms`, range(of('bareRatio')), range(of('overBare')), `${number(median(of('processor')))} ms`, `${number(median(of('bareProcessor')))} ms`])
    targets.push(
      { target: `${names[kind]}: exactly ${merchants} calls in every run`, value: `${Math.min(...of('calls'))} to ${Math.max(...of('calls'))}`, reached: of('calls').every(calls => calls === merchants) },
      { target: `${names[kind]}: never more than ${processes * maxCalls} open at once`, value: Math.max(...of('maxOpen')), reached: Math.max(...of('maxOpen')) <= processes * maxCalls },
      { target: `${names[kind]}: at most 1.2 times what the allowed concurrency makes possible`, value: ratio.toFixed(2), reached: ratio <= 1.2 })
  }
  const madeUp = []
  for (const storeLatency of [0.5, 2, 5]) {
    const { calls, maxOpen, get, stored, refused, ratio } = await thousandInVirtualTime({ servers: processes, maxCalls, merchants, storeLatency })
    madeUp.push([`${storeLatency} ms`, calls, maxOpen, number(get), number(stored), number(refused), ratio.toFixed(3)])
    targets.push({ target: `the rules alone, a store of ${storeLatency} ms: ${merchants} calls, at most 1.2 times`, value: `${calls} calls, ${ratio.toFixed(3)}`, reached: calls === merchants && ratio <= 1.2 })
  }
  return {
    title: `${merchants.toLocaleString('en-US')} merchants stale in the same second`,
    setup: [
      `${processes} server processes, each with its own pool or connection, are asked for a token of each of ${merchants.toLocaleString('en-US')} merchants at once, each in an order of its own, so that every process needs every merchant. \`maxCalls\` is ${maxCalls} in each, the default: ${processes * maxCalls} in all. The provider answers after 50 ms. Processes and connections are warm: a round with ${processes * maxCalls} other merchants comes before. "Possible" is the number of calls, over those allowed at once, times what the provider took for one in that run. ${runs} runs.`,
      ...remarks
    ],
    tables: [
      { columns: ['Store', 'Calls, at most', 'Refused, at most', 'Callers with an error, at most', 'Open at once, at most', 'Time, median', 'Possible', 'Ratio, median (lowest to highest)'], rows },
      {
        caption: 'What this machine can do: the same calls without the plugin (every process reads every merchant; 1 call, 1 more reading and 2 writes for each merchant; each of the other processes reads it once more)',
        columns: ['Store', 'Bare work, median', 'Its ratio to what is possible', 'The plugin over the bare work', 'Processor time of the plugin\'s four servers', 'of the bare ones'],
        rows: bareRows
      },
      {
        caption: 'The rules alone: four servers in one process, in made-up time, in which only Clover (50 ms) and the store take any',
        columns: ['The store takes', 'Calls', 'Open at once, at most', 'Readings', 'Writes', 'Writes that came too late', 'Ratio'],
        rows: madeUp
      }
    ],
    targets,
    unfair: ['Provider, database, four servers and the one who asks share the processors of one machine, so that a part of the time is their waiting for one another: four machines would do better.', 'No peer can be asked: none makes one refresh of a merchant across processes (workload 4).'],
    tried
  }
}

const tried = [
  'Each end of a refresh stopped its heartbeat with an exception and its stack: 0.94 against 0.80 ms of processor time for a merchant, for all four servers, the store and Clover in the same process.',
  'The limit: the plugin reads and writes as often as the bare work (the last table says how often), so what is left is processor time. Of the servers\' 4.5 s, 0.8 are the plugin\'s own; the rest goes to the clients of the database and of HTTP, which are called one by one as merchants come, where the bare work knows beforehand which readings to send together. With two processors for four servers, a database and a provider, that is the time.'
]

/** One run, in either way: 'tokens' of the plugin, or the 'bare' work. */
async function thousand ({ store, count, processes, way }) {
  const provider = await startProvider({ delay: 50 })
  const servers = []
  try {
    const warm = Array.from({ length: processes * maxCalls }, (_, n) => merchantOf(n))
    const merchants = Array.from({ length: count }, (_, n) => merchantOf(1000 + n))
    const pairs = await provider.issue([...warm, ...merchants])
    for (let i = 0; i < pairs.length; i += 50) {
      await Promise.all(pairs.slice(i, i + 50).map(pair => store.storage.put(recordOf({ merchantId: pair.account, ...pair, left: -10 }), undefined)))
    }
    for (let i = 0; i < processes; i++) {
      const server = fork(join(import.meta.dirname, '../harness/thousand-server.mjs'), { execArgv: [] })
      servers.push(server)
      server.send({ environment: provider.environment, address: store.address, maxCalls })
    }
    await Promise.all(servers.map(server => once(server, 'message')))
    const ask = list => Promise.all(servers.map(async (server, share) => {
      server.send({ way, merchants: list, share, shares: processes })
      const [result] = await once(server, 'message')
      return result
    }))
    await ask(warm)
    await provider.reset()
    const began = performance.now()
    const results = await ask(merchants)
    const milliseconds = performance.now() - began
    const { calls, refused, maxOpen, busy } = await provider.counts()
    const possible = count / (processes * maxCalls) * (busy / Math.max(1, calls))
    const errors = results.flatMap(({ errors }) => errors)
    const processor = results.reduce((sum, { processor }) => sum + processor, 0)
    return { calls, refused, maxOpen, failed: errors.length, errors, milliseconds, possible, processor, ratio: possible > 0 ? milliseconds / possible : Infinity }
  } finally {
    for (const server of servers) server.disconnect()
    await provider.close()
    await store.close()
  }
}
