import type { DiagnosticsEvent, DiagnosticsEventType } from 'fastify-clover'

/** A line of the feed. */
export interface Line {
  id: number
  /** Unix milliseconds. */
  at: number
  /** The server, or who else did it. */
  by: string
  /** The id of its process. */
  pid?: number | undefined
  words: string
  /** Milliseconds that it took. */
  duration?: number | undefined
  tone: 'good' | 'bad' | 'plain'
}

/** How many lines are kept. */
const linesKept = 60

/** What each event is in plain words; `{}` is the shop. */
const words: Record<DiagnosticsEventType, [text: string, tone: Line['tone']]> = {
  connected: ['connected {}', 'good'],
  refreshed: ['refreshed the tokens of {}', 'good'],
  recovered: ['recovered the lost tokens of {}', 'good'],
  'odd-reply': ['got an odd answer to a refresh of {}', 'bad'],
  'refresh-refused': ['presented a refresh token of {}, which Clover refused', 'bad'],
  'refresh-failed': ['gave up a refresh of {} for now: Clover gave no usable answer', 'bad'],
  'pair-held': ['could not store new tokens of {}: they serve from memory', 'bad'],
  'pair-written': ['stored the tokens of {} that it had in memory', 'good'],
  'pair-dropped': ['dropped tokens of {}, since newer ones are there', 'plain'],
  'pair-abandoned': ['closed before it could store tokens of {}', 'bad'],
  'reauthorization-required': ['was refused every token of {}: the merchant must approve again', 'bad'],
  reconnected: ['got an answer for {} again, whom Clover had refused', 'good'],
  'storage-failed': ['gave up a refresh of {} for now: the database failed', 'bad'],
  'exchange-refused': ['was refused the code of {}', 'bad'],
  'state-refused': ['did not accept a callback', 'plain'],
  'merchant-mismatch': ['refused an authorization that is not of {}', 'bad'],
  'webhook-refused': ['refused a webhook', 'bad'],
  'webhook-verification': ['got a verification code for the webhook', 'plain'],
  disconnected: ['disconnected {}', 'plain'],
  'record-not-opened': ['could not read the record of {}', 'bad']
}

/** The newest lines of what happened. */
export class Feed {
  readonly #nameOf: (merchantId: string) => string
  readonly #onLine: (line: Line) => void
  #lines: Line[] = []
  #ids = 0

  constructor (nameOf: (merchantId: string) => string, onLine: (line: Line) => void) {
    this.#nameOf = nameOf
    this.#onLine = onLine
  }

  /** Newest first. */
  get lines (): readonly Line[] {
    return this.#lines
  }

  add (line: Omit<Line, 'id' | 'at'>): void {
    const added = { id: ++this.#ids, at: Date.now(), ...line }
    this.#lines = [added, ...this.#lines].slice(0, linesKept)
    this.#onLine(added)
  }

  /** Adds an event of a server. */
  addEvent ({ name, pid }: { name: string, pid: number | undefined }, event: DiagnosticsEvent): void {
    const [text, tone] = words[event.type]
    const shop = 'merchantId' in event && event.merchantId !== undefined ? this.#nameOf(event.merchantId) : 'a shop'
    this.add({ by: name, pid, words: text.replace('{}', shop), duration: 'duration' in event ? event.duration : undefined, tone })
  }
}
