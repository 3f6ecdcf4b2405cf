import type { Io } from './io.js'
import { jsonLine, plain } from './plain.js'

/** @internal The control characters that erase the line on which the cursor is. */
export const clearLine = '\r\x1b[K'

/** The width of a terminal that does not say its own, or says 0. */
const usualColumns = 80

/**
 * @internal Prints how a long command goes on: for a person one line that is written over, for a program a line of JSON for each report.
 */
export class Report {
  readonly #io: Io
  readonly #isJson: boolean

  constructor (io: Io, { json = false }: { json?: boolean | undefined }) {
    this.#io = io
    this.#isJson = json || !io.isTerminal
  }

  /** Prints the numbers so far. */
  progress (line: string, data: object): void {
    // A line that is too long would wrap, and only its last part would be written over.
    if (this.#isJson) this.#print('progress', data)
    else this.#io.stderr.write(`${clearLine}${line.slice(0, (this.#io.stderr.columns || usualColumns) - 1)}`)
  }

  /** Prints something that stays, above the line of the progress. */
  note (type: string, line: string, data: object): void {
    if (this.#isJson) this.#print(type, data)
    else this.#io.stderr.write(`${clearLine}${plain(line)}\n`)
  }

  /** Prints the result, as sentences. */
  summary (lines: string[], data: object): void {
    if (this.#isJson) return this.#print('summary', data)
    this.#io.stderr.write(clearLine)
    this.#io.stdout.write(`${lines.join('\n')}\n`)
  }

  #print (type: string, data: object): void {
    this.#io.stdout.write(jsonLine({ type, ...data }))
  }
}
