import { UsageError } from './usage-error.js'

/**
 * @internal The fields of one row of CSV (RFC 4180), without the blanks around them. A quoted field ends in its row.
 *
 * @param place the row's, for an error, which quotes nothing of the row
 * @throws UsageError
 */
export function fieldsOf (row: string, place: string): string[] {
  const fields: string[] = []
  for (let at = 0; at <= row.length;) {
    const { field, end } = isQuoted(row, at) ? quoted(row, at, place) : plain(row, at, place)
    fields.push(field)
    at = end + 1
  }
  return fields
}

/** A field, and the place of the comma after it, or of the row's end. */
interface Field {
  field: string
  end: number
}

const isQuoted = (row: string, at: number) => row.slice(at, endOf(row, at)).trimStart().startsWith('"')

function endOf (row: string, at: number): number {
  const comma = row.indexOf(',', at)
  return comma === -1 ? row.length : comma
}

function plain (row: string, at: number, place: string): Field {
  const end = endOf(row, at)
  const field = row.slice(at, end).trim()
  if (field.includes('"')) throw new UsageError(`${place}: a field with a quotation mark must begin with one.`)
  return { field, end }
}

function quoted (row: string, at: number, place: string): Field {
  const begin = row.indexOf('"', at) + 1
  let close = row.indexOf('"', begin)
  while (close !== -1 && row[close + 1] === '"') close = row.indexOf('"', close + 2)
  if (close === -1) throw new UsageError(`${place}: a quoted field does not end.`)
  const end = endOf(row, close)
  if (row.slice(close + 1, end).trim() !== '') throw new UsageError(`${place}: a quoted field must end before the comma.`)
  return { field: row.slice(begin, close).replaceAll('""', '"'), end }
}

/** @internal A row of CSV, with its line break. */
export function csvRow (fields: string[]): string {
  return `${fields.map(field => /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field).join(',')}\n`
}
