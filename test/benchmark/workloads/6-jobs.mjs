import { startChild } from '../harness/child.mjs'
import { number } from '../harness/report.mjs'

const rate = 50

/** The long jobs over many merchants, and their count by state: memory, cost, and how much of the allowed rate is used. Then the memory of a full cache. */
export async function run ({ quick, largest, progress }) {
  const sizes = quick ? [100] : [10_000, 100_000, 1_000_000].filter(size => size <= largest)
  const rows = []
  const targets = []
  for (const job of ['migrateLegacy', 'keepAlive', 'summary']) {
    const results = []
    for (const size of sizes) {
      const child = await startChild('jobs-process.mjs', [job, String(size), String(rate)], ['--expose-gc'])
      try {
        if (child.ready.missing) break
        const result = await child.ask('run')
        if (result.done !== size) throw new Error(`${job}: ${result.done} of ${size} merchants: ${JSON.stringify(result.outcomes)}`)
        results.push(result)
        progress(`${job}, ${size.toLocaleString('en-US')} merchants`)
        rows.push([`\`${job}\``, size.toLocaleString('en-US'), number(result.requests), ...result.requests === 0 ? ['-', '-'] : [`${number(result.virtual / 3600)} h`, `${(result.used * 100).toFixed(1)} %`], `${number(result.cost)} µs`, `${number(result.growth)} MB`, `${number(result.elapsed / 1000)} s`])
      } finally {
        await child.close()
      }
    }
    if (results.length === 0) {
      targets.push({ target: `\`${job}\``, value: 'not available in this version' })
      continue
    }
    const growth = Math.max(...results.map(result => result.growth))
    const costs = results.map(result => result.cost)
    const used = Math.min(...results.map(result => result.used))
    // The start of a process weighs on a small run: the two larger ones are compared.
    const [smaller, larger] = [sizes.at(-2) ?? sizes[0], sizes.at(-1)]
    const flat = costs.at(-1) / costs[sizes.indexOf(smaller)]
    targets.push(
      { target: `\`${job}\`: memory within 30 MB`, value: `${number(growth)} MB`, reached: growth <= 30 },
      { target: `\`${job}\`: the cost of a merchant grows by at most 1.2 from ${smaller.toLocaleString('en-US')} to ${larger.toLocaleString('en-US')}`, value: flat.toFixed(2), reached: flat <= 1.2 },
      // A count asks Clover nothing.
      ...job === 'summary' ? [] : [{ target: `\`${job}\`: 90 % of the allowed rate used, or more`, value: `${(used * 100).toFixed(1)} %`, reached: used >= 0.9 && used <= 1.02 }])
  }
  const cached = quick ? 100 : 10_000
  const child = await startChild('cache-process.mjs', [String(cached)], ['--expose-gc'])
  const memory = await child.ask('run').finally(() => child.close())
  const times = memory.cache / memory.records
  targets.push({ target: `${cached.toLocaleString('en-US')} merchants in the cache: at most 1.3 times their records`, value: times.toFixed(2), reached: times <= 1.3 })
  return {
    title: 'Long jobs over many merchants, and the memory of the cache',
    setup: [
      `\`rate: ${rate}\` requests a second, \`concurrency: 50\`, \`maxCalls: 100\`, the cache as by default. Clover and the store are functions in the same process, which make up what they are asked for and keep nothing but what is under way. Time is made up too: it leaps to the next moment that anybody waits for, so that hours of pacing take no time; Clover takes 50 ms of it for an answer. "Cost" is processor time for each merchant, that of the made-up Clover and store included. "Memory" is how far the heap, after a collection at each tenth of the way, grew from its lowest.`
    ],
    tables: [
      ...rows.length > 0 ? [{ columns: ['Job', 'Merchants', 'Requests', 'Made-up time', 'Of the allowed rate', 'Cost of a merchant', 'Memory', 'Real time'], rows }] : [],
      {
        caption: `${cached.toLocaleString('en-US')} merchants in the cache, tokens of 350 characters: bytes of the heap for each`,
        columns: ['The records, in an array', 'The records in the cache', 'Ratio'],
        rows: [[number(memory.records), number(memory.cache), times.toFixed(2)]]
      }
    ],
    targets,
    unfair: ['A made-up store and a made-up Clover leave out what a database and a network cost; the rate is kept by the made-up clock.']
  }
}
