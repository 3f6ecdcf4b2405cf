import { Type, type Static, type TLiteral, type TObject, type TProperties, type TString } from '@sinclair/typebox'
import { MerchantId } from '../installation.js'

/*
 * Everything that happens to merchants and their tokens, declared once: the log entries, the diagnostics channels, their schemas and
 * their types all come from this table. No field holds a secret.
 */

type Level = 'debug' | 'info' | 'warn' | 'error'

const merchantId = MerchantId
const Duration = (what: string) => Type.Number({ minimum: 0, description: `Milliseconds: ${what}` })
const Reason = (what: string) => Type.String({ description: `${what}, in words for an operator` })
const refreshDuration = Duration('from the read of the record, the wait for a free call included, until the new tokens were stored or held in memory')

/**
 * Each event: the level and the sentence that it is logged with, and its fields.
 *
 * Only for this package; not marked internal, since the types of the messages are derived from it.
 */
export const eventTable = {
  connected: ['info', 'a merchant connected', {
    merchantId,
    isNew: Type.Boolean({ description: 'Nothing was stored for the merchant before' }),
    duration: Type.Optional(Duration('from the exchange of the callback\'s code to the stored record; absent for a pair that was adopted'))
  }],
  refreshed: ['debug', 'tokens were refreshed', { merchantId, duration: refreshDuration }],
  recovered: ['warn', 'a lost pair of tokens was recovered', { merchantId, duration: refreshDuration }],
  'odd-reply': ['warn', 'Clover\'s reply to a refresh does not have the documented form; its refresh token was kept', {
    merchantId,
    reason: Reason('The endpoint, and what is wrong with its reply')
  }],
  'refresh-refused': ['warn', 'Clover refused a refresh token', {
    merchantId,
    status: Type.Number({ description: 'The HTTP status of Clover\'s reply' }),
    recoveryAvailable: Type.Boolean({ description: 'Clover hints that the token can be recovered; recovery is tried without the hint too' })
  }],
  'refresh-failed': ['warn', 'Clover gave no usable answer to a refresh; it is tried again later', {
    merchantId,
    duration: Duration('from the read of the record, the wait for a free call and retries included, until the refresh was given up'),
    reason: Reason('The endpoint, and the result of the last call')
  }],
  'pair-held': ['error', 'new tokens could not be stored; they serve from memory and the write is tried again', {
    merchantId,
    reason: Reason('The error of the storage adapter')
  }],
  'pair-written': ['info', 'tokens that were held in memory are stored now', { merchantId }],
  'pair-dropped': ['info', 'new tokens were dropped, since the merchant has newer ones or left', { merchantId }],
  'pair-abandoned': ['error', 'the server closed before new tokens could be stored; they are recovered at the next use (high trust)', { merchantId }],
  'reauthorization-required': ['warn', 'Clover refuses every stored token of a merchant', {
    merchantId,
    since: Type.Number({ description: 'Unix seconds: when Clover first refused every stored token' }),
    retryAt: Type.Number({ description: 'Unix seconds: until then no call to Clover is made for this merchant' }),
    first: Type.Boolean({ description: 'The merchant was not marked before' })
  }],
  reconnected: ['info', 'a merchant whom Clover had refused works again', {
    merchantId,
    since: Type.Number({ description: 'Unix seconds: when Clover first refused every stored token' }),
    by: Type.Union([Type.Literal('refresh'), Type.Literal('authorization')], { description: 'Clover accepted a stored token again, or the merchant authorized again' })
  }],
  'storage-failed': ['warn', 'a refresh failed, since the storage adapter failed; it is tried again later', {
    merchantId,
    reason: Reason('The error of the storage adapter')
  }],
  'exchange-refused': ['info', 'Clover refused an authorization code', {
    merchantId: Type.String({ ...MerchantId, description: 'The merchant that the browser named; not verified' }),
    status: Type.Number({ description: 'The HTTP status of Clover\'s reply' })
  }],
  'state-refused': ['info', 'a callback was not exchanged', {
    merchantId: Type.Optional(Type.String({ ...MerchantId, description: 'The merchant that the browser or the launch named; not verified' })),
    reason: Reason('Why the state is not valid')
  }],
  'merchant-mismatch': ['warn', 'an authorization was refused, since it does not belong to the merchant that the browser named', {
    merchantId: Type.String({ ...MerchantId, description: 'The merchant that the browser named; not verified' }),
    reason: Reason('The answer of Clover')
  }],
  'webhook-refused': ['info', 'a webhook was refused', { reason: Reason('Why it is not Clover\'s, or not for this app') }],
  'webhook-verification': ['info', 'a verification code for the webhook route came; give routes.webhook.onVerificationCode to receive it', {
    isTold: Type.Boolean({ description: 'The host has that hook' })
  }],
  disconnected: ['info', 'a merchant was disconnected', { merchantId }],
  'record-not-opened': ['error', 'the stored record of a merchant cannot be read', {
    merchantId,
    reason: Reason('Which field is wrong or does not open, and why; it names a key id at most')
  }]
} as const satisfies Record<string, readonly [Level, string, TProperties]>

type Table = typeof eventTable
type Message<Type extends string, Fields extends TProperties> = TObject<{ type: TLiteral<Type>, appId: TString, environment: TString } & Fields>

/** The names of the events. */
export type DiagnosticsEventType = keyof Table

type Schemas = {
  readonly [Type in DiagnosticsEventType]: Table[Type] extends readonly [Level, string, infer Fields extends TProperties] ? Message<Type, Fields> : never
}

/** @internal The names of all events that have a channel of diagnostics. */
export const eventTypes = Object.keys(eventTable) as DiagnosticsEventType[]

/** The TypeBox schemas of the messages on the diagnostics channels, by event. */
export const diagnosticsSchemas = Object.freeze(Object.fromEntries(eventTypes.map(type => {
  const [, description, fields] = eventTable[type]
  return [type, Type.Object({
    type: Type.Literal(type),
    appId: Type.String({ description: 'The App ID of the registration' }),
    environment: Type.String({ description: 'The name of the registration\'s environment' }),
    ...fields
  }, { description })]
}))) as unknown as Schemas

type AnyEvent = { [Type in DiagnosticsEventType]: Static<Schemas[Type]> }[DiagnosticsEventType]

/** A message on a diagnostics channel: any of them, or that of one event, such as `DiagnosticsEvent<'refreshed'>`. */
export type DiagnosticsEvent<Type extends DiagnosticsEventType = DiagnosticsEventType> = Extract<AnyEvent, { type: Type }>

/** @internal An event without the fields `appId` and `environment` of its registration. */
export type TokenEvent = { [Each in DiagnosticsEventType]: Omit<DiagnosticsEvent<Each>, 'appId' | 'environment'> }[DiagnosticsEventType]

/** @internal Reports an event. A subscriber that throws may end the process, so a pair is stored first. */
export type Notify = (event: TokenEvent) => void
