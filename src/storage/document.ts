import type { Installation } from '../tokens/installation.js'

/** The one JSON document that every ready adapter keeps for a merchant. Control characters and lone surrogates come out escaped. */
export function toDocument (installation: Installation): string {
  return JSON.stringify(installation)
}

/**
 * The record in a stored document: a new object each time.
 *
 * Throws if the text is not a JSON object. The parser's own message would quote the text, and that may be a token: it is dropped.
 */
export function fromDocument (document: unknown, merchantId: string): Installation {
  const record = parse(document)
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    throw new Error(`What is stored for merchant ${merchantId} is not a JSON object: something else wrote to this table or key.`)
  }
  return record as Installation
}

function parse (document: unknown): unknown {
  try {
    return JSON.parse(String(document))
  } catch {
    return undefined
  }
}
