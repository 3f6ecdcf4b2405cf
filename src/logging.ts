import type { FastifyBaseLogger } from 'fastify'
import type { Notify, TokenEvent } from './tokens/events.js'

type Level = 'debug' | 'info' | 'warn' | 'error'

/** What each event is logged as. An event holds no secret. */
const lines: { [Type in TokenEvent['type']]: [Level, string] } = {
  connected: ['info', 'a merchant connected'],
  refreshed: ['debug', 'tokens were refreshed'],
  recovered: ['warn', 'a lost pair of tokens was recovered'],
  'refresh-refused': ['warn', 'Clover refused a refresh token'],
  'refresh-failed': ['warn', 'Clover gave no usable answer to a refresh; it is tried again later'],
  'pair-held': ['error', 'new tokens could not be stored; they serve from memory and the write is tried again'],
  'pair-written': ['info', 'tokens that were held in memory are stored now'],
  'pair-dropped': ['info', 'new tokens were dropped, since the merchant has newer ones or left'],
  'pair-abandoned': ['error', 'the server closed before new tokens could be stored; they are recovered at the next use (high trust)'],
  'reauthorization-required': ['warn', 'Clover refuses every stored token of a merchant'],
  'merchant-mismatch': ['warn', 'an authorization was refused, since it does not belong to the merchant that the browser named'],
  disconnected: ['info', 'a merchant was disconnected']
}

/** @internal Writes what happens to tokens into the host's log. */
export function logEvents (log: FastifyBaseLogger): Notify {
  return ({ type, ...details }) => {
    const [level, text] = lines[type]
    log[level]({ clover: { event: type, ...details } }, `fastify-clover: ${text}`)
  }
}
