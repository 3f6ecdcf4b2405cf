import type { CloverStorage } from 'fastify-clover/storage'
import type { CloverSimulator } from 'fastify-clover/testing'

/** Something that happened to a pair, at a time in Unix milliseconds. */
export interface Mark {
  at: number
  kind: 'refreshed' | 'recovered' | 'ended' | 'failed' | 'refused'
}

/** A shop of the lab, as the page shows it. All times in Unix milliseconds. */
export interface Shop {
  merchantId: string
  name: string
  /** What a person wants to know of it. */
  state: string
  /** When the stored access token ends; null: there is none that lives. */
  until: number | null
  /** The lives of its access tokens, oldest first. */
  lives: Array<{ from: number, until: number }>
  marks: Mark[]
}

/** More would not fit beside the chart. */
const shopsShown = 4
const minutesShown = 3

type Entry = Pick<Shop, 'merchantId' | 'name' | 'lives' | 'marks'>

/** The shops that the lab watches and calls: those that connected last. */
export class Shops {
  readonly #storage: CloverStorage
  readonly #simulator: CloverSimulator
  #entries: Entry[] = []

  constructor (storage: CloverStorage, simulator: CloverSimulator) {
    this.#storage = storage
    this.#simulator = simulator
  }

  /** The ids, the one that connected last first. */
  get ids (): string[] {
    return this.#entries.map(({ merchantId }) => merchantId)
  }

  /** What a shop is called. */
  nameOf (merchantId: string): string {
    return this.#simulator.merchants.find(({ id }) => id === merchantId)?.name ?? merchantId
  }

  /** A shop that connected is watched from now on, in the place of the one that has been longest. */
  async add (merchantId: string): Promise<void> {
    if (!this.ids.includes(merchantId)) {
      this.#entries = [{ merchantId, name: this.nameOf(merchantId), lives: [], marks: [] }, ...this.#entries].slice(0, shopsShown)
    }
    await this.renew(merchantId)
  }

  remove (merchantId: string): void {
    this.#entries = this.#entries.filter(entry => entry.merchantId !== merchantId)
  }

  /** Reads the life of the pair that is stored now. */
  async renew (merchantId: string): Promise<void> {
    const entry = this.#entries.find(entry => entry.merchantId === merchantId)
    const record = await this.#storage.get(merchantId)
    if (entry === undefined || !record) return
    const from = record.updatedAt * 1000
    const last = entry.lives.at(-1)
    if (last && last.from === from) return
    if (last) last.until = Math.min(last.until, from)
    entry.lives.push({ from, until: (record.accessTokenExpiration ?? Infinity) * 1000 })
  }

  /** Marks something in the life of a pair. The end of an access token ends its life as well. */
  mark (merchantId: string, kind: Mark['kind']): void {
    const entry = this.#entries.find(entry => entry.merchantId === merchantId)
    const at = Date.now()
    entry?.marks.push({ at, kind })
    const last = entry?.lives.at(-1)
    if (kind === 'ended' && last) last.until = Math.min(last.until, at)
  }

  /** The stored access token, if Clover accepts it now. */
  async livingToken (merchantId: string): Promise<string | undefined> {
    const record = await this.#storage.get(merchantId)
    return record && this.#simulator.isLiveAccessToken(record.accessToken) ? record.accessToken : undefined
  }

  /** The shops as they are now. */
  async read (): Promise<Shop[]> {
    const oldest = Date.now() - minutesShown * 60_000
    return await Promise.all(this.#entries.map(async entry => {
      entry.lives = entry.lives.filter(({ until }) => until > oldest)
      entry.marks = entry.marks.filter(({ at }) => at > oldest)
      const record = await this.#storage.get(entry.merchantId)
      const lives = record && this.#simulator.isLiveAccessToken(record.accessToken)
      return { ...entry, until: record && lives ? (record.accessTokenExpiration ?? 0) * 1000 : null, state: stateOf(record) }
    }))
  }
}

function stateOf (record: Awaited<ReturnType<CloverStorage['get']>>): string {
  if (!record) return 'not connected'
  if (record.reauthorizationRequired) return 'Clover refuses its tokens'
  if (record.refreshLease) return record.refreshLease.until * 1000 > Date.now() ? 'a refresh is in progress' : 'a refresh was interrupted'
  return record.recovered ? 'connected, by recovery' : 'connected'
}
