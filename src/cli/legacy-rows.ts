import type { LegacyToken } from '../jobs/migration-options.js'
import { counted } from './counted.js'
import { fieldsOf } from './csv.js'
import type { Row } from './rows.js'
import { UsageError } from './usage-error.js'

/** @internal A merchant of a list, and the number of the row. The merchant is not checked. */
export interface LegacyRow {
  number: number
  merchant: LegacyToken
}

type Rows = AsyncIterable<Row>
type Merchants = AsyncGenerator<LegacyRow, void, undefined>

const columns = ['merchantId', 'legacyToken'] as const

/**
 * @internal The merchants of a list, by its format. No error has a part of a row, which may be a token.
 *
 * @throws UsageError, which names the row, for one that is not in the format; for the wrong columns
 */
export const formats = { csv: fromCsv, jsonl: fromJsonLines } satisfies Record<string, (rows: Rows, name: string) => Merchants>

/** CSV, whose first row names the columns; others than the two are ignored. */
async function * fromCsv (rows: Rows, name: string): Merchants {
  let header: string[] | undefined
  for await (const { number, text } of rows) {
    const fields = fieldsOf(text, `${name}, row ${number}`)
    if (header === undefined) {
      header = checkHeader(fields, name)
      continue
    }
    if (fields.length !== header.length) throw new UsageError(`${name}, row ${number}: it has ${counted(fields.length, 'field')}, and the first row has ${header.length}.`)
    const [merchantId = '', legacyToken = ''] = columns.map(column => fields[Number(header?.indexOf(column))])
    yield { number, merchant: { merchantId, legacyToken } }
  }
  if (header === undefined) throw new UsageError(`${name} is empty: its first row must be ${columns.join()}.`)
}

function checkHeader (header: string[], name: string): string[] {
  if (columns.every(column => header.filter(other => other === column).length === 1)) return header
  // The first row of a list without a header has a token. Nearly every token has a digit, and none that Clover gives is so short.
  const isHeader = header.every(column => /^[a-z_ .;|\t-]{0,30}$/i.test(column))
  const isSeparatedOtherwise = header.length === 1 && /[;|\t]/.test(String(header[0]))
  throw new UsageError(isHeader
    ? `${name} has the columns ${header.join()}: it must have ${columns.join()}.${isSeparatedOtherwise ? ' Separate the fields with commas.' : ''}`
    : `${name} does not begin with the names of its columns: its first row must be ${columns.join()}.`)
}

/** JSON Lines: an object in each row. */
async function * fromJsonLines (rows: Rows, name: string): Merchants {
  for await (const { number, text } of rows) {
    yield { number, merchant: objectOf(text, `${name}, row ${number}: it is no JSON object with ${columns.join(' and ')}.`) as LegacyToken }
  }
}

function objectOf (text: string, problem: string): object {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The error of JSON.parse() has a part of the row.
  }
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, 'merchantId')) throw new UsageError(problem)
  return value
}
