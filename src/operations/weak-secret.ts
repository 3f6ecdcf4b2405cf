/** Words of secrets that were never replaced. What is left without them must be long enough by itself. */
const placeholders = /change|replace|example|sample|default|secret|password|passphrase|cookie|session|random|clover|fastify|server|please|insecure|development|production|super|your|this|that|with|from|some|long|least|thirty|two|characters?|string|value|token|test|key|app|the|and|not|use|for|of|at|to|in|me|my|it|is/gi

/** The fewest characters that must be left beside such words: 16 of base64 have 96 bits. */
const leastRest = 16

/** The fewest different characters. 32 random hexadecimal digits have fewer in one of ten million cases, other secrets in none. */
const leastDifferent = 8

/**
 * @internal Why a secret can be guessed although it is long enough; undefined if nothing shows that. The reason holds nothing of the secret.
 *
 * Finds only obvious cases. Measuring the entropy would refuse good secrets made of words.
 */
export function weaknessOf (secret: string): string | undefined {
  if (new Set(secret).size < leastDifferent) return `it has fewer than ${leastDifferent} different characters`
  if (isRepeated(secret)) return 'it repeats itself'
  if (isSequence(secret)) return 'its characters follow each other in order'
  if (secret.replace(placeholders, '').replace(/[\W_]/g, '').length < leastRest) return 'it consists of words such as those of an example'
  return undefined
}

/** Whether a text is a shorter one, again and again. */
function isRepeated (text: string): boolean {
  return Array.from({ length: Math.floor(text.length / 2) }, (_, index) => index + 1)
    .some(length => text === text.slice(0, length).repeat(Math.ceil(text.length / length)).slice(0, text.length))
}

/** Whether most characters are the next one, or the one before, of the character in front of them. */
function isSequence (text: string): boolean {
  const steps = [...text].filter((letter, index) => index > 0 && Math.abs(letter.charCodeAt(0) - text.charCodeAt(index - 1)) === 1)
  return steps.length > text.length / 2
}
