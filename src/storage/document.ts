import type { Installation } from '../tokens/installation.js'

/** What a ready adapter stores for a merchant: the document, and beside it what it compares and finds by. */
export interface StoredRow {
  revision: unknown
  dueAt: unknown
  document: unknown
}

/**
 * What `get` and `list` of the ready adapters resolve with in place of a record whose document cannot be read: what is stored beside the
 * document. It does not have the form of an installation. With its revision it can be replaced or deleted like any record.
 */
export interface DamagedInstallation {
  merchantId: string
  revision: string
  /** Unix seconds. */
  dueAt: number | null
}

/** The one JSON document that every ready adapter keeps for a merchant. Control characters and lone surrogates come out escaped. */
export function toDocument (installation: Installation): string {
  return JSON.stringify(installation)
}

/**
 * The record in a stored row: a new object each time. A document that is not that of a record gives a `DamagedInstallation`: it must not
 * keep the other merchants of a listing from being served.
 */
export function fromRow ({ revision, dueAt, document }: StoredRow, merchantId: string): Installation {
  const record = parse(document)
  if (isRecord(record)) return record
  const due = Number.parseFloat(String(dueAt))
  const damaged: DamagedInstallation = { merchantId, revision: String(revision), dueAt: Number.isFinite(due) ? due : null }
  // CloverStorage has no type for it: this is the only cast, and the plugin checks the form of each record that it reads.
  return damaged as Installation
}

/** Whether there is no token to read in a record: its document is damaged. */
export function isDamaged (record: Partial<Installation>): boolean {
  return typeof record.accessToken !== 'string'
}

/** Only these two fields are needed to replace a record or to delete it. The plugin checks the rest of its form. */
function isRecord (value: unknown): value is Installation {
  return typeof value === 'object' && value !== null && 'merchantId' in value && typeof value.merchantId === 'string' &&
    'revision' in value && typeof value.revision === 'string'
}

function parse (document: unknown): unknown {
  try {
    return JSON.parse(String(document))
  } catch {
    return undefined
  }
}
