import { setTimeout } from 'node:timers/promises'
import { merchantOf } from '../harness/host.mjs'
import { startProvider } from '../harness/provider.mjs'
import { number } from '../harness/report.mjs'
import { median } from '../harness/statistics.mjs'
import { TextStore } from '../harness/text-store.mjs'
import { loadPeers } from '../peers/index.mjs'
import own from '../peers/own.mjs'

/** Many callers who need one stale token at once, and what becomes of a write that is lost. */
export async function run ({ rounds, quick }) {
  const storms = quick ? 1 : Math.min(9, rounds)
  const provider = await startProvider({ delay: 50 })
  try {
    const { peers, missing } = await loadPeers()
    const contestants = [own, ...quick ? peers.slice(0, 1) : peers]
    const results = []
    for (const contestant of contestants) {
      results.push({
        name: contestant.name,
        one: await storm(provider, contestant, { servers: 1, callers: 50, storms }),
        four: await storm(provider, contestant, { servers: 4, callers: 100, storms })
      })
    }
    // What is not measured in time may run at once.
    await provider.lifetime(2)
    await Promise.all(contestants.map(async (contestant, i) => {
      Object.assign(results[i], { lost: await lostWrite(provider, contestant, quick), row: await threeInARow(provider, contestant, quick) })
    }))
    await provider.lifetime(1800)
    await Promise.all(contestants.map(async (contestant, i) => { results[i].died = await death(provider, contestant, quick) }))
    const [{ one, four, lost, died, row }] = results
    const label = name => name === own.name ? `**${name}**` : `\`${name}\``
    const cells = ({ calls, refused, live, dead, none, slowest, alone, ratio }) => [calls, refused, live, dead, none, `${number(slowest)} ms`, `${number(alone)} ms`, number(ratio)]
    const columns = ['Library', 'Calls to the provider', 'Refused', 'Callers with a live token', 'with a dead one', 'with none', 'Slowest caller', 'One refresh alone', 'Ratio']
    return {
      title: 'A storm on one stale token',
      setup: [
        `A provider in a process of its own, which answers a refresh after ${provider.delay} ms, takes each refresh token once, and ends the access token before it with each new pair. All callers begin at once; ${storms} storms, each on another account and with servers that have just started; the numbers are medians over the storms. "Servers" are instances in one process that share nothing but the store, which is in memory. "One refresh alone" is one caller on such a server, measured before each storm.`
      ],
      tables: [
        { caption: '50 callers on one server', columns, rows: results.map(({ name, one }) => [label(name), ...cells(one)]) },
        { caption: '25 callers on each of four servers', columns, rows: results.map(({ name, four }) => [label(name), ...cells(four)]) },
        {
          caption: 'The write after a refresh fails once, for one caller alone; then a second caller, when the token has ended again; then a server that starts anew on the same store',
          columns: ['Library', 'First caller', 'Second caller', 'After a restart'],
          rows: results.map(({ name, lost }) => [label(name), ...lost])
        },
        {
          caption: 'The process dies between the provider\'s answer and the write; a new one starts on the same store',
          columns: ['Library', 'A caller on the new process'],
          rows: results.map(({ name, died }) => [label(name), died])
        },
        {
          caption: 'Three refreshes in a row, each when the token has ended (it lives two seconds here)',
          columns: ['Library', 'First', 'Second', 'Third'],
          rows: results.map(({ name, row }) => [label(name), ...row])
        }
      ],
      targets: [
        ...[[one, 50, 'one server'], [four, 100, 'four servers']].flatMap(([result, callers, where]) => [
          { target: `${where}: 1 call, 0 refused, all ${callers} callers with a live token, in every storm`, value: `${result.worst.calls} call, ${result.worst.refused} refused, ${result.worst.live} live at worst`, reached: result.worst.calls === 1 && result.worst.refused === 0 && result.worst.live === callers },
          { target: `${where}: the slowest caller takes at most 1.5 times one refresh alone`, value: number(result.ratio), reached: result.ratio <= 1.5 }
        ]),
        { target: 'a lost write loses nothing', value: [...lost, died].join(', '), reached: quick ? undefined : [...lost, died].every(outcome => outcome.startsWith('live')) },
        { target: 'three refreshes in a row', value: row.join(', '), reached: quick ? undefined : row.every(outcome => outcome === 'live') }
      ],
      unfair: [
        'Every one of these libraries was made for another provider, and most for one whose refresh tokens work more than once, or for a while after they were spent. What they do here is not a fault of theirs.',
        'A library that promises nothing about refreshes that happen at once leaves that to its host, who can put a lock around the call; here nobody does.',
        'fastify-clover was made for this provider\'s rules. It writes twice for a refresh where others write once: its intent, and the pair.',
        'The recovery that brings a merchant back after the death of a process is Clover\'s, for apps with a secret. The other providers have none, so no library for them could pass that row by itself. fastify-clover waits there until the dead process has renewed nothing for 1.2 seconds with the limits of this run, for 12 with the defaults.',
        ...peers.map(({ name, unfair }) => `\`${name}\`: ${unfair}`),
        ...missing.map(name => `${name} was not installed.`)
      ]
    }
  } finally {
    await provider.close()
  }
}

let serial = 0

/** A new account whose stored token is stale, or lives for some seconds. */
async function newAccount (provider, contestant, left = -10) {
  const [pair] = await provider.issue([merchantOf(++serial + 1_000_000)])
  const store = contestant.makeStore?.() ?? new TextStore()
  await store.set(pair.account, contestant.record(pair.account, pair, Math.floor(Date.now() / 1000) + left, provider.environment.name))
  return { account: pair.account, store }
}

function connect (provider, contestant, store, limits = {}) {
  return contestant.connect({ origin: provider.origin, environment: provider.environment, store, ...limits })
}

async function storm (provider, contestant, { servers, callers, storms }) {
  const results = []
  for (let n = 0; n < storms; n++) {
    // Alone twice, so that neither has the first connection to the provider in it.
    let alone
    for (let i = 0; i < 2; i++) {
      const { account, store } = await newAccount(provider, contestant)
      const server = await connect(provider, contestant, store)
      const began = performance.now()
      await server.token(account)
      alone = performance.now() - began
      await server.close?.()
    }
    const { account, store } = await newAccount(provider, contestant)
    const running = await Promise.all(Array.from({ length: servers }, (_, i) => connect(provider, contestant, i === 0 ? store : store.another())))
    await provider.reset()
    const began = performance.now()
    let slowest = 0
    const outcomes = await Promise.all(Array.from({ length: callers }, async (_, i) => {
      const outcome = await running[i % servers].token(account).then(token => token, () => undefined)
      slowest = Math.max(slowest, performance.now() - began)
      return outcome
    }))
    const { calls, refused } = await provider.counts()
    const tokens = [...new Set(outcomes.filter(token => token !== undefined))]
    const alive = await provider.live(tokens)
    const living = new Set(tokens.filter((_token, i) => alive[i]))
    const live = outcomes.filter(token => living.has(token)).length
    const none = outcomes.filter(token => token === undefined).length
    results.push({ calls, refused, live, none, dead: callers - live - none, slowest, alone, ratio: slowest / alone })
    await Promise.all(running.map(server => server.close?.()))
  }
  const of = name => results.map(result => result[name])
  return {
    ...Object.fromEntries(Object.keys(results[0]).map(name => [name, median(of(name))])),
    worst: { calls: Math.max(...of('calls')), refused: Math.max(...of('refused')), live: Math.min(...of('live')) }
  }
}

/** What a caller gets in the end: `live`, `dead`, or why there is nothing. */
async function outcomeOf (provider, server, account) {
  try {
    const [isLive] = await provider.live([await server.token(account)])
    return isLive ? 'live' : 'dead'
  } catch {
    return 'none'
  }
}

/** A write of a new token: an intent, which fastify-clover alone writes, is none. */
const isPair = next => next?.refreshLease === undefined

async function lostWrite (provider, contestant, quick) {
  const { account, store } = await newAccount(provider, contestant)
  let left = 1
  store.fails = next => isPair(next) && left-- > 0
  const server = await connect(provider, contestant, store)
  const outcomes = [await outcomeOf(provider, server, account)]
  if (quick) {
    await server.close?.()
    return [...outcomes, 'not tried', 'not tried']
  }
  await setTimeout(2600)
  outcomes.push(await outcomeOf(provider, server, account))
  await server.close?.()
  const next = await connect(provider, contestant, store.another())
  await setTimeout(2600)
  outcomes.push(await outcomeOf(provider, next, account))
  await next.close?.()
  return outcomes
}

async function death (provider, contestant, quick) {
  const limits = quick ? { callTimeout: 200, storageTimeout: 50 } : { callTimeout: 1000, storageTimeout: 500 }
  const { account, store } = await newAccount(provider, contestant)
  // From the first new token on nothing that this process writes arrives.
  store.fails = isPair
  const dying = await connect(provider, contestant, store, limits)
  await outcomeOf(provider, dying, account)
  store.fails = () => true
  const server = await connect(provider, contestant, store.another(), limits)
  const began = Date.now()
  const waits = contestant === own ? 10_000 : 0
  let outcome = await outcomeOf(provider, server, account)
  while (outcome !== 'live' && Date.now() - began < waits) {
    await setTimeout(100)
    outcome = await outcomeOf(provider, server, account)
  }
  // The process that "died" lives here, and tries to store its pair until it is closed: that is no part of the wait.
  const passed = Date.now() - began
  await Promise.all([server.close?.(), dying.close?.()])
  return waits > 0 && outcome === 'live' ? `live after ${(passed / 1000).toFixed(1)} s` : outcome
}

async function threeInARow (provider, contestant, quick) {
  const { account, store } = await newAccount(provider, contestant)
  const server = await connect(provider, contestant, store)
  const outcomes = []
  let last
  for (let i = 0; i < (quick ? 1 : 3); i++) {
    if (i > 0) await setTimeout(2600)
    const token = await server.token(account).catch(() => undefined)
    const [isLive] = await provider.live([token ?? ''])
    outcomes.push(token === undefined ? 'none' : token === last ? 'not refreshed' : isLive ? 'live' : 'dead')
    last = token
  }
  await server.close?.()
  return [...outcomes, 'not tried', 'not tried'].slice(0, 3)
}
