import type { CheckedStorage } from './checked-storage.js'
import { check } from './failure.js'
import { after, merchant, record } from './records.js'
import { all, checkNothing, checkStored, insert, type Store, type Trial } from './trial.js'

const writers = 8
const rounds = 5

/** The two instances that take part in a race. */
type Servers = (store: Store) => readonly [CheckedStorage, CheckedStorage]

const oneServer: Servers = ({ storage }) => [storage, storage]
const twoServers: Servers = ({ storage, another }) => [storage, another()]

function writersOf ([one, other]: ReturnType<Servers>): CheckedStorage[] {
  return Array.from({ length: writers }, (_, index) => index % 2 === 0 ? one : other)
}

async function racePuts (servers: ReturnType<Servers>, inserts: boolean): Promise<void> {
  const what = `Of ${writers} ${inserts ? 'first records' : 'puts with the same expected revision'} at once`
  for (let round = 0; round < rounds; round++) {
    const merchantId = merchant(round)
    const before = inserts ? undefined : await insert(servers[0], record({ merchantId }))
    const attempts = await all(writersOf(servers).map(async (server, writer) => {
      const next = record({ merchantId, accessToken: `of writer ${writer}` })
      return { next, stored: await server.put(next, before?.revision) }
    }))
    const [winner, ...others] = attempts.filter(({ stored }) => stored)
    check(winner !== undefined, `${what} none resolved true: exactly one must.`)
    check(others.length === 0, `${what} ${others.length + 1} resolved true: exactly one must. ` +
      'The check and the write are not one atomic step: let the database do both in one statement.')
    await checkStored(servers[0], winner.next, `${what} one resolved true, and something else is stored`)
  }
}

async function countUp (servers: ReturnType<Servers>): Promise<void> {
  const each = 4
  const maxTries = 500
  const first = await insert(servers[0], record({ updatedAt: 0 }))
  await all(writersOf(servers).map(async server => {
    for (let done = 0, tries = 0; done < each; tries++) {
      check(tries < maxTries, `A writer that read the record and put the next ${maxTries} times got false nearly each time: some put must win.`)
      const read = await server.get(first.merchantId)
      check(read !== undefined, 'A record vanished for a moment while writers replaced it.')
      if (await server.put(after(read, { updatedAt: read.updatedAt + 1 }), read.revision)) done++
    }
  }))
  const last = await servers[0].get(first.merchantId)
  check(last?.updatedAt === writers * each, `After ${writers} writers counted up ${each} times each the record says ${last?.updatedAt}: ` +
    'updates were lost, since the check and the write are not one atomic step, or get returned an old record.')
}

async function deleteAgainstPut ([storage, other]: ReturnType<Servers>): Promise<void> {
  for (let round = 0; round < rounds * 2; round++) {
    const first = await insert(storage, record({ merchantId: merchant(round) }))
    const next = after(first)
    const remove = () => other.delete(first.merchantId, first.revision)
    const write = () => storage.put(next, first.revision)
    const [deleted, stored] = round % 2 === 0
      ? await all([remove(), write()])
      : (await all([write(), remove()])).reverse()
    check(deleted !== stored, `A put and a delete with the same revision at once resolved ${stored} and ${deleted}: exactly one must resolve true.`)
    if (stored) await checkStored(storage, next, 'A put won against a delete')
    else await checkNothing(storage, first.merchantId, 'A delete won against a put, which brought the record back')
  }
}

async function deleteAnywayAgainstPut ([storage, other]: ReturnType<Servers>): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const first = await insert(storage, record({ merchantId: merchant(round) }))
    const [, deleted] = await all([storage.put(after(first), first.revision), other.delete(first.merchantId)])
    check(deleted === true, 'A delete without a revision, at once with a put, resolved false: it must delete any record.')
    await checkNothing(storage, first.merchantId, 'A delete without a revision, at once with a put, must end without a record: the put brought it back')
  }
}

async function raceDeletes (servers: ReturnType<Servers>): Promise<void> {
  for (let round = 0; round < rounds * 2; round++) {
    const first = await insert(servers[0], record({ merchantId: merchant(round) }))
    const expected = round % 2 === 0 ? first.revision : undefined
    const deleted = (await all(writersOf(servers).map(server => server.delete(first.merchantId, expected)))).filter(Boolean).length
    check(deleted === 1, `Of ${writers} deletes of one record at once ${deleted} resolved true: exactly one must.`)
    await checkNothing(servers[0], first.merchantId, 'A record was deleted')
  }
}

/** The behaviour if several callers, or several servers, write at once. */
export const raceCases: Trial[] = ([['callers', oneServer], ['servers', twoServers]] as const).flatMap(([who, servers]): Trial[] => [
  { name: `of eight puts at once with the same revision exactly one stores (${who})`, attempt: store => racePuts(servers(store), false) },
  { name: `of eight first records at once exactly one is stored (${who})`, attempt: store => racePuts(servers(store), true) },
  { name: `no update is lost between get and put (${who})`, attempt: store => countUp(servers(store)) },
  { name: `of a put and a delete at once with the same revision exactly one succeeds (${who})`, attempt: store => deleteAgainstPut(servers(store)) },
  { name: `a delete without a revision, at once with a put, ends without a record (${who})`, attempt: store => deleteAnywayAgainstPut(servers(store)) },
  { name: `of eight deletes at once exactly one succeeds (${who})`, attempt: store => raceDeletes(servers(store)) }
])
