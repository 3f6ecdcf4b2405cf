/** @internal Without control characters: an address, a database or an app may have sent some, which a terminal would obey. */
export function plain (text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
}

/** @internal A value as a line of JSON. The control characters that JSON leaves as they are (U+007F to U+009F) are escaped. */
export function jsonLine (value: object): string {
  return `${JSON.stringify(value).replace(/[\u007f-\u009f]/g, character => `\\u00${character.charCodeAt(0).toString(16)}`)}\n`
}
