import { openSqlite } from '../harness/sqlite.js'

/*
 * Objects that look as those of libsql 0.5.29 do: own properties, methods, rows and results. libsql itself is no dependency.
 */

type Values = Array<string | number | null>

/** A statement of `libsql`: rows and results carry how long they took. */
class Statement {
  readonly stmt: ReturnType<ReturnType<typeof openSqlite>['prepare']>
  pluckMode = false

  constructor (stmt: Statement['stmt']) {
    this.stmt = stmt
  }

  run (...values: Values) {
    return { ...this.stmt.run(...values), duration: 0.000001 }
  }

  get (...values: Values): unknown {
    const row: unknown = this.stmt.get(...values)
    return row && { ...row, _metadata: { duration: 0.000001 } }
  }

  all (...values: Values): unknown[] {
    return this.stmt.all(...values)
  }

  interrupt () {}
}

abstract class Connection {
  readonly db: ReturnType<typeof openSqlite>
  memory: boolean
  readonly = false
  name = ''
  open = true
  declare readonly inTransaction: boolean

  constructor (path: string) {
    const db = openSqlite(path)
    this.db = db
    this.memory = path === ':memory:'
    Object.defineProperties(this, { inTransaction: { get: () => db.isTransaction } })
  }

  sync () {}
  syncUntil () {}
  maxWriteReplicationIndex () {}
  authorizer () {}
  interrupt () {}
  transaction () {}
  pragma () {}
  loadExtension () {}
  defaultSafeIntegers () { return this }
  exec (sql: string) { this.db.exec(sql) }
  close () { this.db.close() }
}

/** The default export of `libsql`. */
export class LibsqlDatabase extends Connection {
  prepare (sql: string) {
    return new Statement(this.db.prepare(sql))
  }
}

/** The default export of `libsql/promise`. */
export class LibsqlPromiseDatabase extends Connection {
  async prepare (sql: string) {
    return new Statement(this.db.prepare(sql))
  }
}
