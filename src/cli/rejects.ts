import { open, stat, type FileHandle } from 'node:fs/promises'
import { csvRow } from './csv.js'
import { messageOf, UsageError } from './usage-error.js'

/** @internal A merchant who was not moved. It has no token. */
export interface Reject {
  /** The row of the list. */
  row: number | undefined
  /** null: the row has none. */
  merchantId: string | null
  outcome: 'refused' | 'failed'
  code?: string
  reason: string
}

/** @internal Writes those who were not moved to a file of CSV, or to nothing. */
export class Rejects {
  readonly #file: FileHandle | undefined

  private constructor (file?: FileHandle) {
    this.#file = file
  }

  /**
   * Opens the file, and replaces what it had.
   *
   * @param file undefined: there is none
   * @param list the list that is read, which the file must not replace
   * @throws UsageError
   */
  static async open (file: string | undefined, list: string): Promise<Rejects> {
    if (file === undefined) return new Rejects()
    const [own, other] = await Promise.all([file, list].map(path => stat(path).catch(() => undefined)))
    if (own !== undefined && own.ino === other?.ino && own.dev === other.dev) throw new UsageError('--rejects must name another file than the list, which it would replace.')
    try {
      const rejects = new Rejects(await open(file, 'w'))
      await rejects.#write(['row', 'merchantId', 'outcome', 'code', 'reason'])
      return rejects
    } catch (error) {
      throw new UsageError(`--rejects must name a file that can be written: ${messageOf(error)}`)
    }
  }

  async add ({ row, merchantId, outcome, code, reason }: Reject): Promise<void> {
    await this.#write([String(row), merchantId ?? '', outcome, code ?? '', reason])
  }

  async close (): Promise<void> {
    await this.#file?.close()
  }

  async #write (fields: string[]): Promise<void> {
    await this.#file?.write(csvRow(fields))
  }
}
