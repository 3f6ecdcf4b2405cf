import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CloverSimulator } from 'fastify-clover/testing'
import { checkDatabase, forgetSimulated, openDatabase, simulatorTable } from '../database.js'
import { sessionKey } from '../session.js'
import type { LabSettings } from '../settings.js'
import { startSimulator } from '../simulator.js'
import { bundle } from './bundle.js'
import { Callers } from './callers.js'
import { serverCount } from './deeds.js'
import { Feed } from './feed.js'
import { buildFront } from './front.js'
import { Measures } from './measures.js'
import type { Pair } from './messages.js'
import { Servers } from './servers.js'
import { Shops } from './shops.js'
import { Stream } from './stream.js'
import { World } from './world.js'

/** The lab: a simulator, servers on one database, one address in front of them, and what watches them. */
export interface Lab {
  /** The simulator's dashboard. */
  dashboard: string
  /** Ends all of it. */
  close (): Promise<void>
}

/** The made-up shops that the lab watches; others have names of the simulator's. */
const names = ['Juniper Hardware', 'Harbor Street Bakery']

/** Milliseconds after which what has not closed is left to the end of the process. */
const closeTimeout = 1_200

/** Starts the lab. Resolves when all servers listen; if something cannot start, nothing is left running. */
export async function startLab (settings: LabSettings): Promise<Lab> {
  checkDatabase(settings.database)
  const labKey = randomBytes(32).toString('hex')
  const stop = new AbortController()
  const closings: Array<() => unknown> = []
  const close = async () => {
    stop.abort()
    const inOrder = async () => { for (const close of closings.reverse()) await close() }
    await Promise.race([inOrder(), sleep(closeTimeout)])
  }
  try {
    const { simulator, clover } = await startSimulator(settings)
    closings.push(() => simulator.close())
    forgetSimulated(settings)
    const { database, storage } = openDatabase(settings.database, { simulatorTable: simulatorTable(settings) })
    closings.push(() => database.close())

    const stream = new Stream()
    const shops = new Shops(storage, simulator)
    const measures = new Measures(simulator)
    const feed = new Feed(id => shops.nameOf(id), line => stream.send('line', line))
    const callers = new Callers({ address: () => front.listeningOrigin, key: labKey, shops, measures })
    const start = { settings: { ...settings, sessionKey: sessionKey(settings).toString('base64') }, clover, labKey }
    const servers = new Servers(serverCount, await bundle(), start)
    const world = new World({ settings, simulator, servers, shops, callers, measures, feed, onOutcome: outcome => stream.send('outcome', outcome) })
    const front = await buildFront({ settings, servers, shops, measures, feed, world, stream })
    closings.push(() => Promise.all([front.close(), servers.stop()]), () => stream.close(), () => world.close())

    listen(servers, shops, feed)
    await front.listen({ host: settings.host, port: settings.port })
    await servers.ready()
    connectSome({ servers, simulator, shops, feed }, settings.merchants)

    let isReading = false
    const timer = setInterval(async () => {
      const second = measures.tick()
      if (!stream.isWatched || isReading) return
      isReading = true
      stream.send('tick', { now: Date.now(), second, totals: measures.totals, servers: servers.shown, spans: world.spans, shops: await shops.read().catch(() => []) })
      isReading = false
    }, 1_000)
    stop.signal.addEventListener('abort', () => clearInterval(timer))
    callers.start(() => stream.isWatched, stop.signal)
    return { dashboard: simulator.origin, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Hears what the servers tell. */
function listen (servers: Servers, shops: Shops, feed: Feed): void {
  servers.on('event', (server, event) => {
    // The adopted shops have one line together.
    if (event.type === 'connected' && event.duration === undefined) return
    feed.addEvent(server, event)
    if (!('merchantId' in event) || event.merchantId === undefined) return
    const { merchantId } = event
    if (event.type === 'connected') shops.add(merchantId).catch(() => {})
    if (event.type === 'disconnected') shops.remove(merchantId)
    if (event.type === 'refreshed' || event.type === 'recovered') shops.mark(merchantId, event.type)
    if (event.type === 'refresh-failed' || event.type === 'storage-failed') shops.mark(merchantId, 'failed')
    if (event.type === 'reauthorization-required') shops.mark(merchantId, 'refused')
    if (['refreshed', 'recovered', 'pair-written', 'reconnected'].includes(event.type)) shops.renew(merchantId).catch(() => {})
  })
  const since = new Map<string, number>()
  servers.on('died', ({ name }, pid, signal) => {
    since.set(name, performance.now())
    feed.add({ by: name, pid, words: `died${signal === null ? '' : ` of ${signal}`}`, tone: 'bad' })
  })
  servers.on('ready', ({ name, pid }) => {
    const died = since.get(name)
    feed.add({ by: name, pid, words: 'serves', duration: died === undefined ? undefined : performance.now() - died, tone: 'good' })
  })
}

/** Has a server adopt the pairs of made-up merchants. Of a hundred, one has uninstalled the app since, of which a refresh finds out. */
function connectSome ({ servers, simulator, shops, feed }: { servers: Servers, simulator: CloverSimulator, shops: Shops, feed: Feed }, count: number): void {
  const [first] = servers.list
  if (first === undefined || count === 0) return
  const pairs = makeUp(simulator, count)
  servers.once('adopted', (server, adopted) => {
    feed.add({ by: server.name, pid: server.pid, words: `adopted ${adopted} made-up shops, which are connected from the start`, tone: 'good' })
    for (const { merchantId } of pairs.slice(0, names.length).reverse()) shops.add(merchantId).catch(() => {})
    for (const { merchantId } of pairs.filter((_, i) => i % 100 === 99)) {
      simulator.uninstall(merchantId)
      servers.send(server, { type: 'refresh', merchantId })
    }
  })
  servers.send(first, { type: 'adopt', pairs })
}

/** Merchants who have approved the app, and their pairs. */
function makeUp (simulator: CloverSimulator, count: number): Pair[] {
  return Array.from({ length: count }, (_, i) => {
    const name = names[i]
    const { id: merchantId } = simulator.addMerchant(name === undefined ? {} : { name })
    const pair = simulator.connect({ merchantId })
    return {
      merchantId,
      accessToken: pair.access_token,
      accessTokenExpiration: pair.access_token_expiration,
      refreshToken: pair.refresh_token,
      refreshTokenExpiration: pair.refresh_token_expiration
    }
  })
}
