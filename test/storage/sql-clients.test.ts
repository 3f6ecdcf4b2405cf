import { join } from 'node:path'
import t from 'tap'
import { findMariadb, findPostgres, uniqueName } from '../harness/services.js'
import { conforms, every, ofClient } from './conforms.js'
import { testReadyAdapter } from './ready-adapter.js'
import { connectTo, fileClients, serverClients } from './sql-clients.js'

/*
 * Every client that an SQL adapter takes, as a host would have it, with the real database.
 */

/** One client of each driver, on which the short share too tries every case. That of pg is in postgres.test.ts. */
const wholly = ['postgres.js', 'a pool of mysql2/promise', 'Prisma on MariaDB']

t.jobs = 5

const servers = { postgresql: await findPostgres(), mysql: await findMariadb() }

for (const { name, dialect, open } of serverClients) {
  if (dialect === 'sqlite') continue
  const { url, skip } = servers[dialect]
  t.test(`${name}: conforms, with a second client`, { skip, buffered: true }, async t => {
    const [one, other, admin] = [await open(url), await open(url), await connectTo(dialect, url)]
    t.teardown(() => Promise.all([one.close(), other.close(), admin.close()]))
    const table = uniqueName('client')
    t.teardown(() => admin.query(`DROP TABLE ${table}`))
    await conforms(t, () => ({ storage: one.storage(table), another: other.storage(table), cleanup: () => admin.query(`DELETE FROM ${table}`) }), wholly.includes(name) ? every : ofClient)
    await testReadyAdapter(t, one.storage(table))
  })
}

for (const { name, open } of fileClients) {
  t.test(`${name}: conforms, with a second client`, { buffered: true }, async t => {
    const file = join(t.testdir(), 'store.db')
    const [one, other] = [await open(file), await open(file)]
    t.teardown(() => Promise.all([one.close(), other.close()]))
    await conforms(t, () => {
      const table = uniqueName('client')
      return { storage: one.storage(table), another: other.storage(table), cleanup: () => {} }
    }, ofClient)
    await testReadyAdapter(t, one.storage(uniqueName('client')))
  })
}
