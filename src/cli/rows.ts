import { UsageError } from './usage-error.js'

/** @internal A row of a list, numbered from 1 as an editor numbers the lines. */
export interface Row {
  number: number
  text: string
}

/** The most characters of a row: a list of tokens has far fewer, and a file that is no list may have no line break at all. */
const longest = 65_536

/**
 * @internal The rows of a text in UTF-8 that are not blank. No error has a part of the text.
 *
 * @param name the list's name, for errors
 * @throws UsageError if it is no text in UTF-8, or has a row that is too long
 */
export async function * rowsOf (chunks: AsyncIterable<Uint8Array | string>, name: string): AsyncGenerator<Row, void, undefined> {
  let number = 0
  let rest = ''
  for await (const text of textOf(chunks, name)) {
    const lines = (rest + text).split('\n')
    rest = String(lines.pop())
    for (const line of lines) {
      number++
      check(line)
      if (line.trim() !== '') yield { number, text: line }
    }
    check(rest, 1)
  }
  if (rest.trim() !== '') yield { number: number + 1, text: rest }

  function check (line: string, ahead = 0): void {
    if (line.length > longest) throw new UsageError(`${name}, row ${number + ahead}: a row has ${longest} characters at most.`)
  }
}

async function * textOf (chunks: AsyncIterable<Uint8Array | string>, name: string): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const decode = (chunk?: Uint8Array) => {
    try {
      return decoder.decode(chunk, { stream: chunk !== undefined })
    } catch {
      throw new UsageError(`${name} is no text in UTF-8.`)
    }
  }
  for await (const chunk of chunks) yield typeof chunk === 'string' ? chunk : decode(chunk)
  yield decode()
}
