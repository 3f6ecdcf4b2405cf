/** The password of a URL, which may have characters that must be escaped in one; not the port of a URL whose query has an @. The name and the host stay. */
const ofUrl = /(\/\/[^\s/?#@:]*):(?:[^\s/?#]*|(?!\d{1,5}[/?#])[^\s@]*)@/g

/** A value that its name calls a secret: of a query, or of a connection string. */
const named = /((?:password|passwd|pwd|secret|token)\s*=\s*)(?:"[^"]*"|'[^']*'|(?:[^\s&;,)'"]|,(?!\s|\w+=))+)/gi

/** @internal Redacts passwords in a message, which may quote the address of a database: `//user:password@host` and `password=...`. */
export function withoutPasswords (message: string): string {
  return message.replace(ofUrl, '$1:[redacted]@').replace(named, '$1[redacted]')
}
