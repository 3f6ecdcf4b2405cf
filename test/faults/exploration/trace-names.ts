import type { Installation } from '../../../src/installation.js'
import type { Process } from './run-types.js'

/*
 * The names of servers and records in a trace, and the hash that distinguishes states.
 */

/**
 * Resolves once every promise that can settle has settled. Its caller must be a function that has awaited something: Node then does what is due in the
 * next tick after the last of these promises, which costs less than a turn of its loop.
 */
export function quiescence (): Promise<void> {
  return new Promise(resolve => { process.nextTick(resolve) })
}

/** A copy of plain data. It is made at every step, and `structuredClone()` takes several times as long. */
export function copyOf<T> (data: T): T {
  if (typeof data !== 'object' || data === null) return data
  if (Array.isArray(data)) return data.map(copyOf) as T
  const copy: Record<string, unknown> = {}
  for (const key in data) copy[key] = copyOf(data[key])
  return copy as T
}

export function name (process: Process): string {
  return 'ABCDEFGHXY'[process.index] + (process.generation > 0 ? String(process.generation) : '')
}

export const refusal = { outcome: 'refused', status: 401, recoveryAvailable: false } as const

/** What the identifiers that a process makes begin with. */
export function headOf ({ index, generation }: Pick<Process, 'index' | 'generation'>): string {
  return (index + 1).toString(16) + String(generation)
}

const shortened = new Map<string, string>()

export function short (revision: string | undefined): string {
  if (revision === undefined) return 'nothing'
  let name = shortened.get(revision)
  if (name === undefined) shortened.set(revision, name = revision.replace(/^(..)0+/, '$1-'))
  return name
}

export function describe ({ refreshToken, spentRefreshToken, refreshLease, reauthorizationRequired, recovered, connectionId, revision }: Installation): string {
  const parts = [refreshToken, `spent ${spentRefreshToken}`, recovered && 'recovered', refreshLease && `lease ${short(refreshLease.by)}`, reauthorizationRequired && 'MARK', short(connectionId)]
  return `{${parts.filter(Boolean).join(' ')}} as ${short(revision)}`
}

export function isOk (answer: unknown): answer is { outcome: 'ok', value: { refreshToken: string } } {
  return typeof answer === 'object' && answer !== null && 'outcome' in answer && answer.outcome === 'ok'
}

/** The refresh token of an answer that brings one. */
export function pairOf (answer: unknown): string | undefined {
  const reply = answer as { outcome?: string, value?: { refreshToken?: string } } | undefined
  return reply?.outcome === 'ok' || reply?.outcome === 'odd' ? reply.value?.refreshToken : undefined
}

/** A 53-bit hash of a text, chained to the one before. */
export function hash (before: number, text: string): number {
  let h1 = 0xdeadbeef ^ (before >>> 0)
  let h2 = 0x41c6ce57 ^ Math.floor(before / 2 ** 32)
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    h1 = Math.imul(h1 ^ code, 2654435761)
    h2 = Math.imul(h2 ^ code, 1597334677)
  }
  h1 = Math.imul(h1 ^ (h1 >>> 16), 2246822507) ^ Math.imul(h2 ^ (h2 >>> 13), 3266489909)
  h2 = Math.imul(h2 ^ (h2 >>> 16), 2246822507) ^ Math.imul(h1 ^ (h1 >>> 13), 3266489909)
  return 4294967296 * (2097151 & h2) + (h1 >>> 0)
}
