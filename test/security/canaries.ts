/** What a secret is, which decides where it may be. A `payload` is what a host sends to Clover's API itself. */
export type SecretKind = 'app secret' | 'cookie secret' | 'key' | 'access token' | 'refresh token' | 'code' | 'verifier' | 'state' | 'webhook secret' | 'payload' | 'planted'

/** Characters of a needle: so many of a secret are looked for at its head and at its end, so that half of one is found as well. */
const needleLength = 16

/** Characters that must be the same in the forms that write each byte at length, in which a needle is five bytes: others begin with the same by accident. */
const lengths: Record<string, number> = { 'inspected bytes': 35, 'bytes as JSON': 36 }

/** The hash of a needle, as a polynomial of its characters, which moves on by one character in constant time (Rabin and Karp). */
const base = 0x01000193
const baseToLength = Array.from({ length: needleLength }, () => base).reduce((product, factor) => Math.imul(product, factor), 1)
/** A hash counts with its highest bits. */
const slots = 20
const slotOf = (hash: number) => hash >>> (32 - slots)

function hashOf (needle: string): number {
  let hash = 0
  for (let at = 0; at < needleLength; at++) hash = Math.imul(hash, base) + needle.charCodeAt(at) | 0
  return hash
}

/** A secret whose head, or whose end, begins or ends with a needle. */
interface Place {
  kind: SecretKind
  form: string
  /** What must be in the text, and where it begins beside the needle. */
  text: string
  offset: number
}

/**
 * Every secret of a run, and where a text holds one of them: as it is, or encoded in a way that logs, pages and inspections use.
 *
 * A text is gone through once, however many secrets there are. Hours of logs are searched, so a place is only looked up if its hash is that of a needle.
 */
export class Canaries {
  readonly #needles = new Map<string, Place[]>()
  readonly #hashes = new Uint8Array(2 ** slots)
  readonly #known = new Set<string>()

  /** How many secrets are looked for. */
  get size (): number {
    return this.#known.size
  }

  /** Looks for a secret from now on; returns it. */
  note<Secret extends string | Uint8Array> (kind: SecretKind, secret: Secret): Secret {
    const name = typeof secret === 'string' ? secret : Buffer.from(secret).toString('hex')
    if (this.#known.has(name)) return secret
    if (name.length < needleLength) throw new Error(`a secret of ${name.length} characters is found by accident: make it longer`)
    this.#known.add(name)
    for (const [form, text] of Object.entries(formsOf(secret))) {
      const lower = text.toLowerCase()
      if (lower.length < needleLength) continue
      const length = lengths[form] ?? needleLength
      const [head, end] = [lower.slice(0, length), lower.slice(-length)]
      this.#add(head.slice(0, needleLength), { kind, form, text: head, offset: 0 })
      this.#add(end.slice(-needleLength), { kind, form, text: end, offset: needleLength - end.length })
    }
    return secret
  }

  /** What of the secrets is in a text, but for kinds that may be there: a kind, a form, and what stands before it. */
  find (text: string, allowed: readonly SecretKind[] = []): string[] {
    const found = new Set<string>()
    const lower = text.toLowerCase()
    let hash = hashOf(lower)
    for (let at = 0; at + needleLength <= lower.length; at++) {
      const isCandidate = this.#hashes[slotOf(hash)] === 1
      hash = Math.imul(hash, base) + lower.charCodeAt(at + needleLength) - Math.imul(lower.charCodeAt(at), baseToLength) | 0
      if (!isCandidate) continue
      for (const place of this.#needles.get(lower.slice(at, at + needleLength)) ?? []) {
        if (allowed.includes(place.kind) || !lower.startsWith(place.text, at + place.offset)) continue
        found.add(`${place.kind}, ${place.form}, after ${JSON.stringify(text.slice(Math.max(0, at - 60), at))}`)
      }
    }
    return [...found]
  }

  #add (needle: string, place: Place): void {
    const places = this.#needles.get(needle) ?? []
    // A secret of letters is the same in several forms.
    if (places.some(({ text }) => text === place.text)) return
    this.#needles.set(needle, [...places, place])
    this.#hashes[slotOf(hashOf(needle))] = 1
  }
}

/** The ways in which a secret may be written. */
export function formsOf (secret: string | Uint8Array): Record<string, string> {
  const bytes = Buffer.from(secret)
  const hex = bytes.toString('hex')
  const text = typeof secret === 'string' ? { plain: secret, 'URL-encoded': encodeURIComponent(secret), 'as JSON': JSON.stringify(secret).slice(1, -1) } : {}
  // In a longer text that is encoded as a whole a secret may begin at any of three places of a group.
  const shifted = [0, 1, 2].map(shift => Buffer.concat([Buffer.alloc(shift), bytes]))
  const within = (encoding: 'base64' | 'base64url') => Object.fromEntries(shifted.map((shown, shift) =>
    [`${encoding} + ${shift}`, shown.toString(encoding).slice([0, 2, 3][shift], -4)]))
  return {
    ...text,
    hex,
    'inspected bytes': hex.replace(/(..)(?=.)/g, '$1 '),
    'bytes as JSON': bytes.join(','),
    ...within('base64'),
    ...within('base64url')
  }
}
