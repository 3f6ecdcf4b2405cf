import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { networkReason } from '../../clover/http.js'
import { startDeadline } from '../../concurrency/deadline.js'
import { Unsettled } from './outcome.js'

/** @internal A request with exactly these headers, but for those of HTTP itself: `fetch` adds a User-Agent. */
export interface RawCall {
  /** For messages. */
  endpoint: string
  url: URL
  method: 'GET' | 'POST'
  headers: Record<string, string>
  body?: string
  /** Milliseconds. */
  timeout: number
}

/**
 * @internal Makes the request, and resolves with the status of the answer.
 *
 * @throws Unsettled without an answer, or for a status of 500 and more
 */
export async function rawCall ({ endpoint, url, method, headers, body = '', timeout }: RawCall): Promise<number> {
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest
  const length = method === 'POST' ? { 'content-length': String(Buffer.byteLength(body)) } : {}
  const status = await new Promise<number>((resolve, reject) => {
    const call = send(url, { method, headers: { ...headers, ...length }, agent: false }, response => {
      response.on('error', reject)
      response.on('end', () => { resolve(Number(response.statusCode)) })
      response.resume()
    })
    const cancel = startDeadline(timeout, () => call.destroy(new Unsettled(`${endpoint}: no answer within ${timeout} ms`)))
    call.on('close', cancel)
    call.on('error', reject)
    call.end(body)
  }).catch((error: unknown) => { throw error instanceof Unsettled ? error : new Unsettled(`${endpoint}: ${networkReason(error)}`) })
  if (status >= 500) throw new Unsettled(`${endpoint}: status ${status}`)
  return status
}
