/** The most characters of a path to return to. */
export const maxReturnTo = 256

/**
 * @internal A path of this app, as a browser would normalize it; undefined for anything else.
 *
 * The text may come from a stranger's link, so an unchecked redirect would be open (RFC 9700, section 4.11). Refused is everything that a browser,
 * or a proxy that decodes it again, could read as another host: `//evil`, `/\evil`, `/.//evil`, `/%2f%2fevil`, control characters.
 */
export function safePath (text: string): string | undefined {
  if (text.length > maxReturnTo || !text.startsWith('/') || isSuspicious(decode(text))) return undefined
  const here = 'http://here.invalid'
  const url = new URL(text, here) // never throws: every text with a slash at its beginning parses
  const path = `${url.pathname}${url.search}${url.hash}`
  return url.origin === here && path.length <= maxReturnTo && !isSuspicious(path) ? path : undefined
}

function isSuspicious (text: string): boolean {
  return text.startsWith('//') || /[\\\p{Cc}]/u.test(text)
}

/** Percent-decodes a text. Malformed encoding becomes `//`, which is refused. */
function decode (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return '//'
  }
}
