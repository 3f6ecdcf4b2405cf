import { memoryStorage } from '../../../dist/storage/index.js'
import { merchantOf, recordOf, startHost } from '../harness/host.mjs'
import { number, rateText, ratioText } from '../harness/report.mjs'
import { startProvider } from '../harness/provider.mjs'
import { TextStore } from '../harness/text-store.mjs'
import { interleave, ratio, repeated, spread } from '../harness/windows.mjs'
import { loadPeers } from '../peers/index.mjs'

const accounts = Array.from({ length: 100 }, (_, n) => merchantOf(n))
const own = 'fastify-clover'
const objects = 'token objects in a Map'

/** A warm token, call after call, from each library. */
export async function run ({ rounds, window }) {
  const provider = await startProvider()
  const { peers, missing } = await loadPeers()
  const closing = [() => provider.close()]
  try {
    const pairs = await provider.issue(accounts)
    const expiresAt = Math.floor(Date.now() / 1000) + 7 * 86_400
    const subjects = {}

    const storage = memoryStorage()
    for (const pair of pairs) await storage.put(recordOf({ merchantId: pair.account, ...pair, left: 7 * 86_400 }), undefined)
    const app = await startHost({ environment: provider.environment, storage })
    await app.ready()
    closing.push(() => app.close())
    subjects[own] = account => app.clover.accessToken(account)

    for (const peer of peers) {
      const store = new TextStore()
      for (const pair of pairs) await store.set(pair.account, peer.record(pair.account, pair, expiresAt))
      const server = await peer.connect({ origin: provider.origin, store })
      closing.push(async () => await server.close?.())
      subjects[peer.name] = account => server.token(account)
    }

    const inMap = new Map(pairs.map(({ account, accessToken }) => [account, { accessToken, expiresAt }]))
    subjects[objects] = async account => {
      const entry = inMap.get(account)
      if (entry === undefined || entry.expiresAt <= Date.now() / 1000) throw new Error('stale')
      return entry.accessToken
    }
    for (const [name, call] of Object.entries(subjects)) {
      for (const { account, accessToken } of pairs) if (await call(account) !== accessToken) throw new Error(`${name} gave another token`)
    }

    const calls = Object.fromEntries(Object.entries(subjects).map(([name, call]) => [name, repeated(n => call(accounts[n % accounts.length]))]))
    const rates = await interleave(calls, { rounds, window })
    const { counts } = { counts: await provider.counts() }
    if (counts.calls > 0) throw new Error('a warm call reached the provider')
    const rows = Object.keys(subjects).map(name => [
      name === own ? `**${own}**` : peers.find(peer => peer.name === name) ? `\`${name}\`` : name,
      name === own ? '`accessToken(merchantId)`' : peers.find(peer => peer.name === name)?.call ?? 'no library: a look at the end, and the token',
      rateText(spread(rates[name])),
      name === own ? '1' : ratioText(ratio(rates, own, name))
    ])
    const fastest = peers.map(peer => ({ name: peer.name, ...ratio(rates, own, peer.name) })).sort((a, b) => a.median - b.median)[0]
    return {
      title,
      setup: ['One call after another, each awaited, for 100 accounts in turn, none of them near its end. The store is the same for all: JSON texts in memory. Libraries with a cache of their own answer from it; the others read the store, as they are documented to.'],
      tables: [
        { columns: ['Library', 'Call', 'Calls a second', 'fastify-clover over it, with its interval of 95 %'], rows },
        { caption: 'How each is set up', columns: ['Library', 'Setup'], rows: peers.map(({ name, version, setup }) => [`\`${name}\` ${version}`, setup]) }
      ],
      targets: [{
        target: 'faster than every peer',
        value: fastest ? `${number(fastest.median)} times the fastest, \`${fastest.name}\`` : 'no peer is installed',
        reached: fastest && fastest.median > 1
      }],
      unfair: [
        ...peers.map(({ name, unfair }) => `\`${name}\`: ${unfair}`),
        `"${objects}" is not a peer but the bottom: what a host could write for one process that never has to refresh.`,
        ...missing.map(name => `${name} was not installed.`)
      ]
    }
  } finally {
    for (const close of closing.reverse()) await close()
  }
}

const title = 'A warm token, against other libraries'
