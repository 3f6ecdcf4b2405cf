/** A mutant that no test can see, since it does the same. */
export interface Equivalent {
  file: string
  /** As in a report; without it, the mutants of every function of the file match. */
  within?: string
  original: string
  mutated: string
  why: string
}

export const equivalents: Equivalent[] = [
  {
    file: 'src/tokens/merchant-binding.ts',
    within: 'MerchantBinding.bind',
    original: "answer.outcome === 'ok' && answer.value === merchantId",
    mutated: 'answer.value === merchantId',
    why: 'A refused answer has no value, so it is no merchant id.'
  },
  {
    file: 'src/tokens/connections.ts',
    within: 'Connections.#isAlive',
    original: "answer.outcome === 'ok' && answer.value === merchantId",
    mutated: 'answer.value === merchantId',
    why: 'A refused answer has no value, so it is no merchant id.'
  },
  {
    file: 'src/clover/clock.ts',
    within: 'CloverClock.observe',
    original: 'server >= plausible.from',
    mutated: 'server > plausible.from',
    why: 'The time of an answer lies in the middle of a second, and the bound at the beginning of one.'
  },
  {
    file: 'src/clover/clock.ts',
    within: 'CloverClock.observe',
    original: 'server <= plausible.to',
    mutated: 'server < plausible.to',
    why: 'The time of an answer lies in the middle of a second, and the bound at the beginning of one.'
  },
  {
    file: 'src/clover/clock.ts',
    within: 'CloverClock.observe',
    original: 'server >= plausible.from && server <= plausible.to',
    mutated: 'server >= plausible.from',
    why: 'The form of a date has four digits for the year, and the bound is the year 10000. What is no date fails the first comparison too.'
  },
  {
    file: 'src/clover/clock.ts',
    original: 'date !== null && httpDate.test(date)',
    mutated: 'httpDate.test(date)',
    why: 'The pattern does not match null, which it reads as a text.'
  },
  {
    file: 'src/clover/clock.ts',
    within: 'CloverClock.observe',
    original: 'other !== undefined && Math.abs(offset - other) <= tolerance',
    mutated: 'Math.abs(offset - other) <= tolerance',
    why: 'No comparison with NaN is true.'
  },
  {
    file: 'src/clover/client.ts',
    within: 'judge',
    original: 'status >= 200 && status < 300',
    mutated: 'status < 300',
    why: 'Fetch resolves with no status below 200.'
  },
  {
    file: 'src/clover/client.ts',
    within: 'judge',
    original: 'retryAfter !== undefined && { retryAfter }',
    mutated: '{ retryAfter }',
    why: 'Whoever reads it takes undefined for an absent one.'
  },
  {
    file: 'src/clover/client.ts',
    within: 'parseRetryAfter',
    original: 'value !== null && /^\\d{1,5}$/.test(value)',
    mutated: '/^\\d{1,5}$/.test(value)',
    why: 'The pattern does not match null, which it reads as a text.'
  },
  {
    file: 'src/clover/http.ts',
    original: "cause instanceof Error && 'code' in cause",
    mutated: 'cause instanceof Error',
    why: 'A code that is not there is read as the text undefined, which is no code.'
  },
  {
    file: 'src/storage/arguments.ts',
    within: 'hasMethod',
    original: "typeof value === 'object' && value !== null && method in value && typeof (value as Record<string, unknown>)[method] === 'function'",
    mutated: "typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[method] === 'function'",
    why: 'What is missing is read as undefined, whose type is another.'
  },
  {
    file: 'src/storage/document.ts',
    within: 'isRecord',
    original: "typeof value === 'object' && value !== null && 'merchantId' in value && typeof value.merchantId === 'string' && 'revision' in value && typeof value.revision === 'string'",
    mutated: "typeof value === 'object' && value !== null && typeof value.merchantId === 'string' && 'revision' in value && typeof value.revision === 'string'",
    why: 'What is missing is read as undefined, whose type is another.'
  },
  {
    file: 'src/storage/document.ts',
    within: 'isRecord',
    original: "typeof value === 'object' && value !== null && 'merchantId' in value && typeof value.merchantId === 'string' && 'revision' in value && typeof value.revision === 'string'",
    mutated: "typeof value === 'object' && value !== null && 'merchantId' in value && typeof value.merchantId === 'string' && typeof value.revision === 'string'",
    why: 'What is missing is read as undefined, whose type is another.'
  },
  {
    file: 'src/storage/driver-error.ts',
    within: 'codeOf',
    original: "error instanceof Error && 'code' in error && typeof error.code === 'string'",
    mutated: "error instanceof Error && typeof error.code === 'string'",
    why: 'What is missing is read as undefined, whose type is another.'
  },
  {
    file: 'src/routes/state.ts',
    within: 'States.#verify',
    original: '!valid || value === null',
    mutated: '!valid',
    why: 'The signer gives a value exactly where the signature is valid.'
  },
  {
    file: 'src/routes/state.ts',
    within: 'States.#verify',
    original: '!valid || value === null',
    mutated: 'value === null',
    why: 'The signer gives a value exactly where the signature is valid.'
  },
  {
    file: 'src/routes/state.ts',
    within: 'States.#openCookie',
    original: '!valid || value === null',
    mutated: '!valid',
    why: 'The signer gives a value exactly where the signature is valid.'
  },
  {
    file: 'src/routes/state.ts',
    within: 'States.#openCookie',
    original: '!valid || value === null',
    mutated: 'value === null',
    why: 'The signer gives a value exactly where the signature is valid.'
  },
  {
    file: 'src/routes/return-to.ts',
    within: 'safePath',
    original: 'url.origin === here && path.length <= maxReturnTo && !isDoubtful(path)',
    mutated: 'path.length <= maxReturnTo && !isDoubtful(path)',
    why: 'A text that begins with one slash and has no backslash and no control character is a path of this origin, as far as URL is right: this is the second lock.'
  },
  {
    file: 'src/tokens/disconnects.ts',
    within: 'Disconnects.#delete',
    original: 'first instanceof UnreadableRecord || current.connectionId !== first.connectionId',
    mutated: 'current.connectionId !== first.connectionId',
    why: 'An unreadable record has no connectionId, which is another than any.'
  },
  {
    file: 'src/tokens/access-tokens.ts',
    within: 'AccessTokens.accessToken',
    original: 'token !== undefined',
    mutated: 'false',
    why: 'The longer way gives the same token from the same memory: this one only saves time.'
  },
  {
    file: 'src/tokens/access-tokens.ts',
    within: 'AccessTokens.accessToken',
    original: 'options === undefined && this.#use.refreshes.unsaved(merchantId) === undefined',
    mutated: 'false',
    why: 'The longer way gives the same token from the same memory: this one only saves time.'
  },
  {
    file: 'src/tokens/access-tokens.ts',
    within: 'AccessTokens.#read',
    original: 'maxWait >= storageTimeout',
    mutated: 'maxWait > storageTimeout',
    why: 'A second timer of the same length fires after the first.'
  },
  {
    file: 'src/tokens/access-tokens.ts',
    within: 'AccessTokens.#read',
    original: 'signal === undefined && maxWait >= storageTimeout',
    mutated: 'false',
    why: 'The second timer would never fire: it is left out to save time.'
  },
  {
    file: 'src/tokens/access-tokens.ts',
    within: 'AccessTokens.#refreshAhead',
    original: 'refreshes.isBusyOrBackingOff(merchantId)',
    mutated: 'false',
    why: 'The refresh would join the one in progress, or be refused without a call.'
  },
  {
    file: 'src/tokens/access-tokens.ts',
    within: 'AccessTokens.afterRefusal',
    original: 'signal && { signal }',
    mutated: '{ signal }',
    why: 'Whoever reads it takes undefined for an absent one.'
  },
  {
    file: 'src/tokens/access-tokens.ts',
    within: 'AccessTokens.refresh',
    original: 'before === undefined',
    mutated: 'false',
    why: 'The refresh reads the record too, finds none, and throws the same error.'
  },
  {
    file: 'src/tokens/freshness.ts',
    within: 'isAgeing',
    original: 'total !== Infinity && remaining(times, now) < total * refreshAhead',
    mutated: 'remaining(times, now) < total * refreshAhead',
    why: 'A token without an end has an infinite time left, which is less than nothing else.'
  },
  {
    file: 'src/tokens/freshness.ts',
    within: 'lifetime',
    original: 'accessTokenExpiration === null',
    mutated: 'false',
    why: 'A token without an end has an infinite time left, whatever its lifetime is taken for.'
  },
  {
    file: 'src/tokens/refresh-protocol.ts',
    within: 'RefreshProtocol.#isClosing',
    original: 'this.#use.isClosing?.() ?? false',
    mutated: 'this.#use.isClosing?.()',
    why: 'Undefined counts as false in each condition that asks.'
  },
  {
    file: 'src/tokens/reader.ts',
    within: 'Reader.#readThrough',
    original: 'living === undefined',
    mutated: 'false',
    why: 'Without a living record the longer way ends in the same read.'
  }
]
