import { startChild } from './child.mjs'

/** Starts a provider with single-use refresh tokens in a process of its own; `delay` in milliseconds. */
export async function startProvider ({ delay = 50 } = {}) {
  const { ready: port, ask, close } = await startChild('provider-process.mjs', [String(delay)])
  const origin = `http://127.0.0.1:${port}`
  return {
    origin,
    delay,
    issue: accounts => ask('issue', accounts),
    live: tokens => ask('live', tokens),
    counts: () => ask('counts'),
    reset: () => ask('reset'),
    lifetime: seconds => ask('lifetime', seconds),
    /** What the plugin's option `environment` takes. */
    environment: { name: 'provider', authorize: origin, api: origin, legacy: origin },
    close
  }
}
