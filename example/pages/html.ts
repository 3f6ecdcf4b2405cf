/** Text that is HTML already: made by {@link html} alone. */
export class Html {
  readonly #text: string

  constructor (text: string) {
    this.#text = text
  }

  toString (): string {
    return this.#text
  }
}

/** What a template takes: HTML as it is, lists of it, text and numbers escaped, and nothing for `undefined` and `false`. */
export type Slot = Html | readonly Html[] | string | number | undefined | false

/** A template whose slots are escaped: no name of a shop can become markup. Attributes must be quoted. */
export function html (strings: TemplateStringsArray, ...slots: Slot[]): Html {
  return new Html(strings.reduce((text, part, index) => text + render(slots[index - 1]) + part))
}

function render (slot: Slot): string {
  if (slot instanceof Html) return slot.toString()
  if (typeof slot === 'object') return slot.join('')
  if (slot === undefined || slot === false) return ''
  return String(slot).replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
