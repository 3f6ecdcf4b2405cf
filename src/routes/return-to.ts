/** The most characters of a path to return to. */
export const maxReturnTo = 256

/** What an error says of a path that is none of this app's, or too long. */
export const wrongReturnTo = `return_to must be a path of this app, such as /orders, of ${maxReturnTo} characters at most.`

/**
 * @internal A path of this app, in the form that a browser would make of it; undefined if it is anything else.
 *
 * A redirect to what a stranger's link says is an open redirect (RFC 9700, section 4.11), so whatever a browser, or a proxy that decodes once
 * more, could take for another host is refused: `//evil`, `/\evil`, `/.//evil`, `/%2f%2fevil`, control characters.
 */
export function safePath (text: string): string | undefined {
  if (text.length > maxReturnTo || !text.startsWith('/') || isDoubtful(decode(text))) return undefined
  const here = 'http://here.invalid'
  const url = new URL(text, here) // never throws: a path parses, whatever is in it
  const path = `${url.pathname}${url.search}${url.hash}`
  return url.origin === here && path.length <= maxReturnTo && !isDoubtful(path) ? path : undefined
}

function isDoubtful (text: string): boolean {
  return text.startsWith('//') || /[\\\p{Cc}]/u.test(text)
}

/** Percent-decoded; text that is not properly encoded is doubtful in itself. */
function decode (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return '//'
  }
}
