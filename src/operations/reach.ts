import { networkCode, readText } from '../clover/http.js'
import { startDeadline } from '../concurrency/deadline.js'
import type { Runtime } from '../runtime.js'

/**
 * @internal Why an address gave no answer:
 *
 * - `unresolved`: DNS does not know its name.
 * - `refused`: nothing listens there.
 * - `certificate`: its certificate is not valid for it, or not trusted.
 * - `tls`: it does not speak TLS.
 * - `late`: no answer within the timeout.
 * - `broken`: any other failure of the connection.
 */
export type Trouble = 'unresolved' | 'refused' | 'certificate' | 'tls' | 'late' | 'broken'

/** @internal An answer over HTTP, of any status. */
export interface Reply {
  /** The address that was asked. */
  url: URL
  status: number
  headers: Headers
  /** Empty if it is longer than 256 KiB. */
  body: string
  /** Unix milliseconds by this machine's clock: the request was not sent earlier, and the headers did not arrive later. */
  sentAt: number
  arrivedAt: number
}

/** @internal Why there is no reply of an address. */
export interface NoReply {
  trouble: Trouble
  /** What happened, for a message: `it refuses the connection`. */
  what: string
}

/** @internal Sends a request once, without following redirects. Rejects only if the diagnosis is to stop. */
export type Reach = (url: string | URL, init?: { method?: string, headers?: Record<string, string>, body?: string }) => Promise<Reply | NoReply>

/** @internal What {@link createReach} needs. */
export interface ReachOptions {
  runtime: Pick<Runtime, 'fetch' | 'wallClock'>
  userAgent: string
  /** Milliseconds for one request, its body included. */
  timeout: number
  stop: AbortSignal
  throwIfStopped (): void
}

/** The codes of Node, OpenSSL and undici. Sources: https://nodejs.org/api/tls.html#x509-certificate-error-codes, https://nodejs.org/api/errors.html */
const troubles: Array<[RegExp, Trouble]> = [
  [/^(?:ENOTFOUND|EAI_\w+)$/, 'unresolved'],
  [/^ECONNREFUSED$/, 'refused'],
  [/CERT|^UNABLE_TO_|^HOSTNAME_MISMATCH$/, 'certificate'],
  [/^(?:EPROTO|ERR_SSL_\w+)$/, 'tls'],
  [/^(?:ETIMEDOUT|UND_ERR_\w+_TIMEOUT)$/, 'late']
]

const words: Record<Trouble, string> = {
  unresolved: 'its name does not resolve',
  refused: 'it refuses the connection',
  certificate: 'its certificate does not fit',
  tls: 'it does not speak TLS',
  late: 'it does not answer in time',
  broken: 'the connection fails'
}

/** @internal Makes the function by which checks ask an address. */
export function createReach ({ runtime, userAgent, timeout, stop, throwIfStopped }: ReachOptions): Reach {
  return async (url, init) => {
    const first = await attempt(url, init)
    // A connection that was kept open may have been closed by the other side meanwhile.
    return 'trouble' in first && first.trouble === 'broken' ? await attempt(url, init) : first
  }

  function attempt (...[url, init]: Parameters<Reach>): Promise<Reply | NoReply> {
    const deadline = new AbortController()
    const cancel = startDeadline(timeout, () => { deadline.abort() })
    return ask(url, init, deadline.signal).finally(cancel)
  }

  async function ask (url: string | URL, init: Parameters<Reach>[1], deadline: AbortSignal): Promise<Reply | NoReply> {
    const { fetch, wallClock } = runtime
    const sentAt = wallClock()
    try {
      const signal = AbortSignal.any([deadline, stop])
      const response = await fetch(url, { ...init, redirect: 'manual', headers: { 'user-agent': userAgent, ...init?.headers }, signal })
      const arrivedAt = wallClock()
      return { url: new URL(url), status: response.status, headers: response.headers, body: await readText(response) ?? '', sentAt, arrivedAt }
    } catch (error) {
      throwIfStopped()
      return deadline.aborted ? noReply('late', `${timeout} ms`) : troubleOf(networkCode(error))
    }
  }
}

function troubleOf (code: string): NoReply {
  const [, trouble = 'broken'] = troubles.find(([pattern]) => pattern.test(code)) ?? []
  return noReply(trouble, code)
}

function noReply (trouble: Trouble, detail: string): NoReply {
  return { trouble, what: detail === '' ? words[trouble] : `${words[trouble]} (${detail})` }
}
