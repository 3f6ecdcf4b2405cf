import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'

/** Fails a test if the process sees what no request may cause. */
export function watchProcess (t: Test): void {
  const seen: unknown[] = []
  const note = (what: unknown) => { seen.push(what) }
  for (const event of ['unhandledRejection', 'uncaughtException', 'warning']) process.on(event, note)
  t.teardown(() => {
    for (const event of ['unhandledRejection', 'uncaughtException', 'warning']) process.off(event, note)
    if (seen.length > 0) throw new Error(`the process saw ${seen.length} errors that nobody handled`, { cause: seen[0] })
  })
}

/** Fails if a reply is not typed, is too large, or holds what it must not. */
export function checkReply (reply: LightMyRequestResponse, allowed: readonly number[]): void {
  const { statusCode, body, headers } = reply
  const whole = JSON.stringify(headers) + body
  if (!allowed.includes(statusCode)) throw new Error(`status ${statusCode}: ${body}`)
  if (statusCode >= 400 && !/FST_(?:CLOVER|ERR)_/.test(body)) throw new Error(`not typed: ${statusCode} ${body}`)
  if (statusCode >= 500 && !body.includes('FST_CLOVER_')) throw new Error(`not ours: ${body}`)
  if (whole.includes('canary')) throw new Error(`a secret is in the reply: ${whole}`)
  if (/<script|<img/.test(body)) throw new Error(`echoed: ${body}`)
  const cookies = [headers['set-cookie'] ?? []].flat()
  if (cookies.length > 14 || cookies.some(cookie => cookie.slice(0, cookie.indexOf(';')).length > 512)) throw new Error(`cookies: ${cookies.join('\n')}`)
  const size = Object.entries(headers).flatMap(([name, value]) => [value].flat().map(one => name.length + String(one).length + 4)).reduce((sum, bytes) => sum + bytes, 0)
  if (size > 4096) throw new Error(`${size} bytes of headers`)
}

/** Bytes of the heap that are in use once nothing more can be freed. */
export async function usedHeap (): Promise<number> {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  for (let round = 0; round < 3; round++) {
    await new Promise(resolve => setTimeout(resolve, 20))
    gc()
  }
  return process.memoryUsage().heapUsed
}
