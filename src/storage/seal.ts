import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

/** A key that seals tokens. */
export interface SealingKey {
  /** The name of the key in each envelope: 1 to 32 letters, digits, `_` and `-`. Never use it for another key. */
  id: string
  /** 32 random bytes, or the same as 64 hexadecimal digits or as base64 (`openssl rand -base64 32`). */
  key: Uint8Array | string
}

/** The field that a value belongs to. A value that is copied to another place does not open there. */
export interface SealedPlace {
  appId: string
  environment: string
  merchantId: string
  field: string
}

const version = 'fc1'
const nonceBytes = 12
const tagBytes = 16
const envelopePattern = /^fc1\.([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]+)$/

/** The reason why a value does not open. Its message has no secret. */
export class DoesNotOpen extends Error {}

/**
 * Seals values with AES-256-GCM (NIST SP 800-38D): with a random nonce of 96 bits, and the value's place as additional data.
 *
 * An envelope is `fc1.KEYID.BASE64URL(nonce, ciphertext, tag)`. The cipher's key is derived from the given one (HKDF, RFC 5869), so it is used for
 * nothing else.
 *
 * Throws a TypeError for invalid keys. The message has the key's id and never the key.
 */
export class Seal {
  readonly #keys: Map<string, Buffer>
  /** The id of the key that seals. */
  readonly keyId: string

  constructor (keys: readonly SealingKey[]) {
    if (!Array.isArray(keys) || keys.length === 0) throw new TypeError('encryptedStorage: keys must be an array of { id, key }, the first of which seals.')
    this.#keys = new Map(keys.map(entry => {
      const { id, key } = Object(entry) as SealingKey
      return [checkId(id), derive(readKey(id, key))]
    }))
    if (this.#keys.size !== keys.length) throw new TypeError('encryptedStorage: each of keys must have an id of its own.')
    this.keyId = keys[0].id
  }

  seal (text: string, place: SealedPlace): string {
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv('aes-256-gcm', this.#key(this.keyId), nonce, { authTagLength: tagBytes })
    cipher.setAAD(additionalData(this.keyId, place))
    const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
    return `${version}.${this.keyId}.${sealed.toString('base64url')}`
  }

  /** @throws DoesNotOpen if the value is not an envelope, its key is unknown, or the envelope or its place was changed */
  open (envelope: string, place: SealedPlace): string {
    const [, keyId, body] = envelopePattern.exec(envelope) ?? []
    if (keyId === undefined || body === undefined) throw new DoesNotOpen('it is not sealed (to migrate a plaintext store, set acceptPlaintext)')
    const bytes = Buffer.from(body, 'base64url')
    // Base64url has spare bits in its last character: another text of the same bytes is not this envelope.
    if (bytes.length < nonceBytes + tagBytes || bytes.toString('base64url') !== body) throw new DoesNotOpen('its envelope is damaged')
    const decipher = createDecipheriv('aes-256-gcm', this.#key(keyId), bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
    decipher.setAAD(additionalData(keyId, place))
    decipher.setAuthTag(bytes.subarray(-tagBytes))
    try {
      return Buffer.concat([decipher.update(bytes.subarray(nonceBytes, -tagBytes)), decipher.final()]).toString('utf8')
    } catch {
      throw new DoesNotOpen('it was changed, or belongs to another merchant, app, environment or field, or was sealed with another key of the same id')
    }
  }

  /** Whether a value is sealed with the first key. */
  isCurrent (envelope: string): boolean {
    return envelopePattern.exec(envelope)?.[1] === this.keyId
  }

  #key (id: string): Buffer {
    const key = this.#keys.get(id)
    if (key === undefined) throw new DoesNotOpen(`its key '${id}' is not among the keys of this server: add a new key in second place on every server before any server has it first, and keep an old key until reseal() has finished`)
    return key
  }
}

/** JSON separates the parts unambiguously, so no two places have the same bytes. */
function additionalData (keyId: string, { appId, environment, merchantId, field }: SealedPlace): Buffer {
  return Buffer.from(JSON.stringify([version, keyId, appId, environment, merchantId, field]))
}

function derive (key: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', 'fastify-clover token sealing', 32))
}

function checkId (id: unknown): string {
  if (typeof id === 'string' && /^[A-Za-z0-9_-]{1,32}$/.test(id)) return id
  throw new TypeError('encryptedStorage: each of keys needs an id of 1 to 32 letters, digits, _ and -.')
}

function readKey (id: string, key: unknown): Uint8Array {
  if (typeof key === 'string' && key !== key.trim()) {
    throw new TypeError(`encryptedStorage: the key '${id}' must not begin or end with a space or line break, which a file often has at its end: trim it.`)
  }
  const bytes = typeof key === 'string' ? decode(key) : key
  if (bytes instanceof Uint8Array && bytes.length === 32) return bytes
  throw new TypeError(`encryptedStorage: the key '${id}' must be 32 bytes, or the same as 64 hexadecimal digits or as base64.`)
}

function decode (text: string): Uint8Array | undefined {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, 'hex')
  return /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? Buffer.from(text, 'base64') : undefined
}
