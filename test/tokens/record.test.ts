import t from 'tap'
import type { Installation } from '../../src/installation.js'
import { RecordMaker } from '../../src/tokens/record.js'

const day = 86_400
const now = 1_800_000_000
let ids = 0
const make = new RecordMaker(bytes => (ids++).toString(16).padStart(2 * bytes, '0'))
const merchant = { merchantId: 'MERCHANT0000A', appId: 'APP', environment: 'sandbox', flow: 'v2' } as const
const pair = { accessToken: 'a', accessTokenExpiration: now + 1800, refreshToken: 'r', refreshTokenExpiration: now + 365 * day }
const connected = (changes: Partial<typeof pair | Record<keyof typeof pair, null>> = {}): Installation =>
  make.connected(merchant, { ...pair, ...changes } as typeof pair, 'c', now + 0.7)
const obtained = { ...pair, presented: 'r0', recovered: false, isDoubtful: false }

t.test('a record is due at its lease, else at its mark, else at its confirmation, else at the end of its refresh token', async t => {
  const record = connected()
  t.equal(record.dueAt, pair.refreshTokenExpiration)
  const doubtful = make.withPair(record, { ...obtained, isDoubtful: true }, now + 0.5)
  t.equal(doubtful.confirmAt, now + 901, 'in whole seconds, and not too early')
  t.equal(doubtful.dueAt, now + 901)
  const marked = make.marked(doubtful, now)
  t.equal(marked.dueAt, marked.reauthorizationRequired?.retryAt)
  t.equal(marked.dueAt, now + 60)
  t.equal(make.leased(marked, 'me', now + 30.2).dueAt, now + 31)
  t.equal(make.unleased(make.leased(record, 'me', now + 30), undefined).dueAt, record.dueAt)
})

t.test('a refresh token whose end is unknown is due after a day, and a v1 token never', async t => {
  t.equal(connected({ refreshTokenExpiration: null }).dueAt, now + day)
  t.equal(connected({ refreshToken: null, refreshTokenExpiration: null, accessTokenExpiration: null }).dueAt, null)
})

t.test('times are whole seconds, and each change has a revision of its own', async t => {
  const record = connected()
  t.match(record, { connectedAt: now, updatedAt: now })
  const changes = [
    make.returned(record, 'visit', now + 5.9), make.leased(record, 'me', now + 30), make.unleased(record, undefined), make.withPair(record, obtained, now + 5.9),
    make.marked(record, now + 5.9), make.withEcommerceKey(record, 'key')
  ]
  t.match(changes[0], { returnedAt: now + 5, visitId: 'visit' })
  t.match(changes[3], { updatedAt: now + 5 })
  t.match(changes[4], { reauthorizationRequired: { since: now + 5, retryAt: now + 66 } })
  t.equal(new Set([record, ...changes].map(({ revision }) => revision)).size, 7)
  for (const change of changes) t.equal(change.connectionId, 'c')
})

t.test('a field that does not apply is absent, since a store compares documents', async t => {
  const record = connected()
  const has = (record: Installation, name: string) => Object.hasOwn(record, name)
  t.notOk(has(make.unleased(make.leased(record, 'me', now), undefined), 'refreshLease'))
  t.same(make.unleased(make.leased(record, 'me', now), { by: 'another', until: 7 }).refreshLease, { by: 'another', until: 7 })
  t.notOk(has(make.withPair(record, obtained, now), 'recovered'))
  t.notOk(has(make.withPair(record, obtained, now), 'confirmAt'))
  t.equal(make.withPair(record, { ...obtained, recovered: true }, now).recovered, true)
  t.notOk(has(make.withPair(make.withPair(record, { ...obtained, recovered: true }, now), obtained, now), 'recovered'), 'it is about the present pair')
  const withKey = make.withEcommerceKey(record, 'key')
  t.equal(withKey.ecommercePublicKey, 'key')
  t.notOk(has(make.withEcommerceKey(withKey, undefined), 'ecommercePublicKey'))
})

t.test('a field that this version does not know is kept, and none that a caller adds is taken', async t => {
  const later = { ...connected(), field: 'of a later version' } as Installation
  for (const change of [make.returned(later, 'v', now), make.leased(later, 'me', now), make.unleased(later, undefined), make.withPair(later, obtained, now), make.marked(later, now), make.withEcommerceKey(later, 'k')]) {
    t.match(change, { field: 'of a later version' })
  }
  const { secret } = make.withPair(later, { ...obtained, secret: 'x' } as typeof obtained, now) as Installation & { secret?: string }
  t.equal(secret, undefined)
})

t.test('the wait of a mark doubles from a minute to a day, and a mark from the future counts as new', async t => {
  let record = make.marked(connected(), now)
  const waitsAt = (time: number) => {
    record = make.marked(record, time)
    return Number(record.reauthorizationRequired?.retryAt) - time
  }
  t.same([60, 120, 240, 40_000, 200_000].map(since => waitsAt(now + since)), [60, 120, 240, 40_000, day])
  t.equal(record.reauthorizationRequired?.since, now)
  const odd = make.marked({ ...connected(), reauthorizationRequired: { since: now + 1_000_000, retryAt: 0 } }, now)
  t.same(odd.reauthorizationRequired, { since: now, retryAt: now + 60 })
})
