import type { Installation } from '../installation.js'

/** The columns that a ready adapter stores for a merchant. */
export interface StoredRow {
  revision: unknown
  dueAt: unknown
  document: unknown
}

/**
 * The columns of a record whose document cannot be read: `get` and `list` of the ready adapters return them instead of an installation. By its
 * revision such a record can be replaced or deleted like any other.
 */
export interface DamagedInstallation {
  merchantId: string
  revision: string
  /** Unix seconds. */
  dueAt: number | null
}

/** The JSON document that every ready adapter keeps for a merchant. Control characters and lone surrogates are escaped in it. */
export function toDocument (installation: Installation): string {
  return JSON.stringify(installation)
}

/** The record in a stored document, as a new object each time; undefined if the document is damaged. */
export function fromDocument (document: unknown): Installation | undefined {
  const record = parse(document)
  return isRecord(record) ? record : undefined
}

/** As `fromDocument`. A damaged document gives a `DamagedInstallation` instead of an error, which would fail the whole listing. */
export function fromRow ({ revision, dueAt, document }: StoredRow, merchantId: string): Installation {
  const record = fromDocument(document)
  if (record !== undefined) return record
  const due = Number.parseFloat(String(dueAt))
  const damaged: DamagedInstallation = { merchantId, revision: String(revision), dueAt: Number.isFinite(due) ? due : null }
  // CloverStorage has no type for a damaged record. The cast is safe: the plugin checks the form of each record that it reads.
  return damaged as Installation
}

/** Whether a record has no access token, since its document is damaged. */
export function isDamaged (record: Partial<Installation>): boolean {
  return typeof record.accessToken !== 'string'
}

/** Checks only the two fields that are needed to replace or delete a record. The plugin checks the others. */
function isRecord (value: unknown): value is Installation {
  return typeof value === 'object' && value !== null && 'merchantId' in value && typeof value.merchantId === 'string' &&
    'revision' in value && typeof value.revision === 'string'
}

function parse (document: unknown): unknown {
  // A client that parses JSON by itself, as for a JSON column.
  if (typeof document === 'object' && document !== null && !ArrayBuffer.isView(document)) return document
  try {
    return JSON.parse(String(document))
  } catch {
    return undefined
  }
}
