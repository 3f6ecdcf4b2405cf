import type { FastifyBaseLogger } from 'fastify'
import { eventTable, type Notify } from './table.js'

/** @internal The methods of the host's logger that the plugin uses. */
export type Log = Pick<FastifyBaseLogger, 'debug' | 'info' | 'warn' | 'error'>

/**
 * @internal Wraps the host's logger so that its exceptions never reach the plugin. pino throws synchronously when its disk is full: that must
 * not lose a pair of tokens that cannot be stored on the same disk either, nor stop a job or a hook.
 */
export function safeLogger (log: FastifyBaseLogger): Log {
  const write = (level: keyof Log) => (...args: unknown[]) => {
    try {
      Reflect.apply(log[level], log, args)
    } catch {} // there is no other place to report it
  }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

/** @internal Writes events into the host's log. */
export function logEvents (log: Log): Notify {
  return ({ type, ...details }) => {
    const [level, text] = eventTable[type]
    log[level]({ clover: { event: type, ...details } }, `fastify-clover: ${text}`)
  }
}
