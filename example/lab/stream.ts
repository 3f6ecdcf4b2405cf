import { PassThrough } from 'node:stream'

/** Bytes that may wait for a browser that does not read. */
const mostWaiting = 1_000_000

/** Server-sent events to every open page of the lab. See https://html.spec.whatwg.org/multipage/server-sent-events.html */
export class Stream {
  readonly #pages = new Set<PassThrough>()

  /** Whether a page is open. */
  get isWatched (): boolean {
    return this.#pages.size > 0
  }

  /** A stream for one more page, which begins with a message. */
  open (type: string, message: unknown): PassThrough {
    const page = new PassThrough()
    page.on('close', () => this.#pages.delete(page))
    this.#pages.add(page)
    // A page whose connection breaks comes back after a second.
    page.write(`retry: 1000\n${format(type, message)}`)
    return page
  }

  send (type: string, message: unknown): void {
    const text = format(type, message)
    for (const page of this.#pages) {
      if (page.writableLength > mostWaiting) page.destroy()
      else page.write(text)
    }
  }

  /** Ends all pages' streams. */
  close (): void {
    for (const page of this.#pages) page.end()
  }
}

function format (type: string, message: unknown): string {
  return `event: ${type}\ndata: ${JSON.stringify(message)}\n\n`
}
