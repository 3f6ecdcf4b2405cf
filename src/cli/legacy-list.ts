import { createReadStream } from 'node:fs'
import { access, constants, stat } from 'node:fs/promises'
import { extname } from 'node:path'
import type { Io } from './io.js'
import { formats, type LegacyRow } from './legacy-rows.js'
import { rowsOf } from './rows.js'
import { UsageError } from './usage-error.js'

/** @internal A list of merchants with their legacy tokens. */
export interface LegacyList {
  /** How many merchants it has; undefined for standard input, which can be read only once. */
  total: number | undefined
  /** Reads the list as fast as its rows are taken. @throws UsageError for a row that is not in the format */
  rows (): AsyncGenerator<LegacyRow, void, undefined>
}

const formatOfExtension: Record<string, keyof typeof formats> = { '.csv': 'csv', '.jsonl': 'jsonl', '.ndjson': 'jsonl' }

/**
 * @internal Opens a list. A file is read once to its end, so that a row that is not in the format is found before anything is done.
 *
 * @param file `-` is standard input
 * @param format default: as the file's name ends
 * @throws UsageError
 */
export async function openLegacyList (file: string, format: keyof typeof formats | undefined, io: Io): Promise<LegacyList> {
  const isInput = file === '-'
  const name = isInput ? 'standard input' : file
  const chosen = format ?? formatOfExtension[extname(file).toLowerCase()]
  if (chosen === undefined) throw new UsageError(`give --format csv or --format jsonl: the name of ${name} does not say which it is.`)
  if (!isInput && !await isReadable(file)) throw new UsageError(`${file} is no file that can be read: name the list of merchants and their legacy tokens.`)
  const rows = () => formats[chosen](rowsOf(isInput ? io.stdin : createReadStream(file), name), name)
  return { total: isInput ? undefined : await count(rows()), rows }
}

async function isReadable (file: string): Promise<boolean> {
  try {
    await access(file, constants.R_OK)
    return (await stat(file)).isFile()
  } catch {
    return false
  }
}

async function count (rows: AsyncIterable<LegacyRow>): Promise<number> {
  let total = 0
  for await (const { number } of rows) if (number > 0) total++
  return total
}
