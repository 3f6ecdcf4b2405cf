import { Type, type Static, type TSchema } from '@sinclair/typebox'
import { Unknowns } from './unknowns.js'

const Value = Type.Union([Type.String(), Type.Number(), Type.Boolean()])

/** What the probe learns that is no switch of the simulator: a name and a value. */
export const ProbeFact = Type.Object({
  /** The experiment that learned it. */
  experiment: Type.String(),
  /** The fact's name. */
  name: Type.String(),
  /** What was seen. It is no secret. */
  value: Value
})
export type ProbeFact = Static<typeof ProbeFact>

/** An experiment of the probe, and what became of it. */
export const ProbeExperiment = Type.Object({
  /** The experiment's name. */
  name: Type.String(),
  /** `settled`: it ran to its end. `not-settled`: Clover's answers say nothing. `skipped`: it did not run. */
  outcome: Type.Union([Type.Literal('settled'), Type.Literal('not-settled'), Type.Literal('skipped')]),
  /** Why it was not settled, or not run. */
  reason: Type.Optional(Type.String())
})
export type ProbeExperiment = Static<typeof ProbeExperiment>

/** What the probe measured, under the names of the simulator's options. */
export const ProbeMeasured = Type.Partial(Type.Object({
  /** Seconds that an access token lives. */
  accessTokenLifetime: Type.Integer({ minimum: 1 }),
  /** Seconds that a refresh token lives. */
  refreshTokenLifetime: Type.Integer({ minimum: 1 }),
  /** The most live refresh tokens of an app for a merchant. */
  refreshTokensPerMerchant: Type.Integer({ minimum: 1 })
}, { additionalProperties: false }))
export type ProbeMeasured = Static<typeof ProbeMeasured>

const reportWith = <T extends TSchema>(unknowns: T) => Type.Object({
  /** When the probe ended: ISO 8601. */
  probedAt: Type.String(),
  /** The version of this package. */
  version: Type.String(),
  /** The name of Clover's environment. */
  environment: Type.String(),
  /** Whether the app has a secret. */
  trust: Type.Union([Type.Literal('high'), Type.Literal('low')]),
  unknowns,
  measured: Type.Optional(ProbeMeasured),
  experiments: Type.Array(ProbeExperiment),
  facts: Type.Array(ProbeFact)
})

/** The report of `fastify-clover probe`. It has no secret. */
export const WholeReport = reportWith(Type.Partial(Unknowns))
export type WholeReport = Static<typeof WholeReport>

/**
 * A report of `fastify-clover probe`: the content of its JSON file. The simulator takes it for its option `unknowns`, and checks it.
 *
 * Its type is wide, so that an imported JSON file fits.
 */
export interface ProbeReport {
  /** When the probe ended: ISO 8601. */
  probedAt: string
  /** The version of this package. */
  version: string
  /** The name of Clover's environment. */
  environment: string
  /** `high` or `low`. */
  trust: string
  /** The switches of the simulator that were settled. */
  unknowns: Readonly<Record<string, string | number | boolean>>
  /** Options of the simulator that were measured: `accessTokenLifetime`, `refreshTokenLifetime` and `refreshTokensPerMerchant`. Default: none. */
  measured?: Readonly<Record<string, number>>
  /** The experiments, and what became of them. */
  experiments: ReadonlyArray<object>
  /** What else was seen. */
  facts: ReadonlyArray<object>
}
