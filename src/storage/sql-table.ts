import { storageFailed } from '../errors.js'
import { numberTypes, textTypes, type DescribedColumn, type SqlDialect } from './sql-dialects.js'

/** The columns that the adapter needs, and the least length of their text. */
const needed = {
  merchant_id: { kind: 'text', least: 13 },
  revision: { kind: 'text', least: 32 },
  due_at: { kind: 'number' },
  document: { kind: 'text', least: 60_000 }
} as const

/**
 * Checks that a table that exists has the form which the adapter needs: a host's migration may have made it.
 *
 * @param rows what the dialect's statement `describe` returned
 * @throws FST_CLOVER_STORAGE with a sentence for each thing that is wrong: what is there, and what was expected
 */
export function checkTable (dialect: SqlDialect, table: string, rows: readonly unknown[]): void {
  const columns = rows as DescribedColumn[]
  const problems = [...wrongColumns(dialect, columns), ...otherRequired(columns), ...wrongKey(columns), ...wrongSettings(columns)]
  if (problems.length > 0) throw storageFailed('setup', `the table ${table} cannot be used: ${problems.join('; ')}`)
}

function wrongColumns (dialect: SqlDialect, columns: DescribedColumn[]): string[] {
  return Object.entries(needed).flatMap(([name, want]) => {
    const column = columns.find(column => column.name === name)
    if (column === undefined) return [`it has no column ${name} (its columns: ${columns.map(({ name }) => name).join(', ')})`]
    const match = (want.kind === 'text' ? textTypes : numberTypes)[dialect].exec(column.type)
    if (match === null) return [`its column ${name} is of type ${column.type}, not ${want.kind === 'text' ? 'a text type' : 'double precision'}`]
    const length = match.groups?.length
    return want.kind === 'text' && length !== undefined && Number(length) < want.least
      ? [`its column ${name} is of type ${column.type}, too short for ${want.least} characters`]
      : []
  })
}

/** The adapter writes no other columns. */
function otherRequired (columns: DescribedColumn[]): string[] {
  return columns.filter(({ name, required }) => !(name in needed) && Number(required) !== 0)
    .map(({ name }) => `its column ${name} needs a value in each row, which the adapter does not give`)
}

function wrongKey (columns: DescribedColumn[]): string[] {
  const key = columns.find(({ name }) => name === 'merchant_id')
  return key !== undefined && Number(key.keyed) === 0 ? ['its column merchant_id is not unique: make it the primary key'] : []
}

/** MySQL: what would lose a write, or store another text than was sent. */
function wrongSettings (columns: DescribedColumn[]): string[] {
  const [{ engine, autocommit, mode } = {} as Partial<DescribedColumn>] = columns
  return [
    engine === undefined || /^innodb$/i.test(engine) ? undefined : `its storage engine is ${engine}, which may lose rows in a crash: use InnoDB`,
    autocommit === undefined || Number(autocommit) !== 0 ? undefined : 'the client turns autocommit off, so that no write would be kept',
    mode?.includes('NO_BACKSLASH_ESCAPES') ? 'the SQL mode NO_BACKSLASH_ESCAPES is set, with which clients store another text than they are given' : undefined
  ].filter(problem => problem !== undefined)
}
