import { Type, type Static } from '@sinclair/typebox'
import type { CheckName } from './checks.js'
import { links } from './checks.js'

/** What `diagnose()` found in one check. It holds no secret: safe to log, to print and to send to an operator. */
export const Finding = Type.Object({
  /** The name of the check, which stays the same from version to version. */
  check: Type.String({ description: 'The name of the check, which stays the same from version to version' }),
  /**
   * `error`: merchants cannot connect, may be lost, or a stranger gets in. `warning`: that may happen, or will. `not-checked`: it cannot be seen from
   * here, or does not apply. `ok`: none of these.
   */
  status: Type.Union([Type.Literal('ok'), Type.Literal('warning'), Type.Literal('error'), Type.Literal('not-checked')], {
    description: 'error: merchants cannot connect, may be lost, or a stranger gets in. warning: that may happen, or will. not-checked: it cannot be seen from here, or does not apply. ok: none of these'
  }),
  /** What was found. */
  message: Type.String({ description: 'What was found' }),
  /** What to do about it; absent: nothing. */
  fix: Type.Optional(Type.String({ description: 'What to do about it; absent: nothing' })),
  /** The section of the README or of a guide, by its path in this package, such as `README.md#options`; absent: none. */
  link: Type.Optional(Type.String({ description: 'The section of the README or of a guide, by its path in this package, such as README.md#options; absent: none' }))
}, { $id: 'CloverFinding', description: 'What diagnose() found in one check' })
export type Finding = Static<typeof Finding>

/** @internal The status of a finding. */
export type FindingStatus = Finding['status']

/** @internal A finding that nothing has to be done about. */
export const ok = (check: CheckName, message: string): Finding => ({ check, status: 'ok', message })

/** @internal A finding that is not `ok`, with the section about its check. */
export const found = (check: CheckName, status: Exclude<FindingStatus, 'ok'>, message: string, fix?: string): Finding =>
  ({ check, status, message, ...(fix !== undefined && { fix }), link: links[check] })
