import { randomBytes } from 'node:crypto'

/** Returns `size` random bytes. A test can replace it to have the same ids in every run. */
export type RandomSource = (size: number) => Uint8Array

const poolSize = 65_536

/** `crypto.randomBytes` with a pool: asking the system for every few bytes would be most of a token's cost. */
function pooled (): RandomSource {
  let pool = Buffer.alloc(0)
  return size => {
    if (pool.length < size) pool = randomBytes(poolSize)
    const bytes = pool.subarray(0, size)
    pool = pool.subarray(size)
    return bytes
  }
}

const idAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'

/**
 * Makes ids, codes and tokens.
 *
 * Each kind has its own form, so that a confusion is noticed. Tokens vary in length, since Clover forbids to rely on it. Source: https://docs.clover.com/docs/use-oauth
 */
export class Mint {
  readonly #random: RandomSource

  /** @param random defaults to `crypto.randomBytes` */
  constructor (random: RandomSource = pooled()) {
    this.#random = random
  }

  /** An id of a merchant, an app or an employee: 13 characters of A-Z and 0-9. */
  id (): string {
    return Array.from(this.#random(13), byte => idAlphabet.charAt(byte % idAlphabet.length)).join('')
  }

  /** A v2 access token: three parts in base64url, 150 to 300 characters. */
  accessToken (): string {
    return `${this.#text(24, 12)}.${this.#text(64, 64)}.${this.#text(24, 40)}`
  }

  /** A refresh token: hexadecimal, 64 to 126 characters. */
  refreshToken (): string {
    return this.#bytes(32, 31).toString('hex')
  }

  /** A v1 access token: a UUID, followed by up to 6 hexadecimal characters. */
  legacyToken (): string {
    return `${this.uuid()}${this.#bytes(0, 3).toString('hex')}`
  }

  /** An authorization code: base64url, 22 to 43 characters. */
  code (): string {
    return this.#text(16, 16)
  }

  /** A PAKMS key: 32 hexadecimal characters. */
  apiAccessKey (): string {
    return this.#bytes(16, 0).toString('hex')
  }

  /** A UUID, for app secrets and webhook codes. */
  uuid (): string {
    return this.#bytes(16, 0).toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
  }

  /** The id of a browser session with the simulator: 32 hexadecimal characters. */
  session (): string {
    return this.#bytes(16, 0).toString('hex')
  }

  #bytes (least: number, extra: number): Buffer {
    const [byte = 0] = extra > 0 ? this.#random(1) : []
    return Buffer.from(this.#random(least + byte % (extra + 1)))
  }

  #text (least: number, extra: number): string {
    return this.#bytes(least, extra).toString('base64url')
  }
}
