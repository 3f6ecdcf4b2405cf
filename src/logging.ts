import type { FastifyBaseLogger } from 'fastify'
import { eventTable, type Notify } from './tokens/events.js'

/** @internal What is written of the host's log. */
export type Log = Pick<FastifyBaseLogger, 'debug' | 'info' | 'warn' | 'error'>

/**
 * @internal The host's log, whose failures are its own: one that throws, as pino's does at once where its disk is full, must cost neither a
 * pair of tokens that cannot be written to the same disk, nor the job or the notice that is told of.
 */
export function unfailing (log: FastifyBaseLogger): Log {
  const write = (level: keyof Log) => (...line: unknown[]) => {
    try {
      Reflect.apply(log[level], log, line)
    } catch {} // there is nowhere left to say it
  }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

/** @internal Writes what happens to tokens into the host's log. */
export function logEvents (log: Log): Notify {
  return ({ type, ...details }) => {
    const [level, text] = eventTable[type]
    log[level]({ clover: { event: type, ...details } }, `fastify-clover: ${text}`)
  }
}
