import { median, medianWithInterval, quantile } from './statistics.mjs'

/**
 * Runs subjects in turn, a window each, for several rounds: what disturbs the machine disturbs all of them. Every round begins with another
 * subject. Resolves with the rates of each subject, a number for each round.
 *
 * @param subjects `{ name: run }`; `run(milliseconds)` resolves with a rate
 */
export async function interleave (subjects, { rounds, window }) {
  const names = Object.keys(subjects)
  const rates = Object.fromEntries(names.map(name => [name, []]))
  for (const name of names) await subjects[name](window) // warms up, and is thrown away
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round) % names.length]
      rates[name].push(await subjects[name](window))
    }
  }
  return rates
}

/** The rate of one subject over that of another, round by round: the median, and an interval of 95 % for it. */
export function ratio (rates, name, base) {
  return medianWithInterval(rates[name].map((rate, round) => rate / rates[base][round]))
}

/** The median of some rates, and half of the distance between their quartiles as a share of it. */
export function spread (rates) {
  const middle = median(rates)
  return { median: middle, spread: (quantile(rates, 0.75) - quantile(rates, 0.25)) / 2 / middle }
}

/**
 * A subject that awaits a call again and again, one after another: its rate is calls a second. The clock is read once in a batch, whose size
 * is found at the first window. Its `costs` are the microseconds of processor time of a call in each window, the first one for warmth too:
 * they say more than the rate while others use the machine.
 */
export function repeated (call) {
  let batch = 1
  const costs = []
  const run = async milliseconds => {
    const processor = process.cpuUsage()
    const began = performance.now()
    const end = began + milliseconds
    let calls = 0
    let now = began
    do {
      const from = now
      for (let i = 0; i < batch; i++) await call(calls + i)
      calls += batch
      now = performance.now()
      if (now - from < 1 && batch < 1e6) batch *= 2
    } while (now < end)
    const { user, system } = process.cpuUsage(processor)
    costs.push((user + system) / calls)
    return calls / (now - began) * 1000
  }
  return Object.assign(run, { costs })
}

/** The rate of one subject over that of another by processor time, round by round. */
export function processorRatio (subject, base) {
  return medianWithInterval(base.costs.slice(1).map((cost, i) => cost / subject.costs[i + 1]))
}

/** A subject with many callers, each of whom awaits a call again and again. Its `costs` are those of `repeated`. */
export function concurrent (call, callers) {
  const costs = []
  const run = async milliseconds => {
    const processor = process.cpuUsage()
    const began = performance.now()
    const end = began + milliseconds
    let calls = 0
    await Promise.all(Array.from({ length: callers }, async () => {
      while (performance.now() < end) await call(calls++)
    }))
    const { user, system } = process.cpuUsage(processor)
    costs.push((user + system) / calls)
    return calls / (performance.now() - began) * 1000
  }
  return Object.assign(run, { costs })
}
