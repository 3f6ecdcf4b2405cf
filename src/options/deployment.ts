import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { isPlainObject, wrongFields } from '../checks/wrong-fields.js'
import { DeploymentName } from '../installation.js'
import type { DeploymentSettings } from '../tokens/deployment.js'

const day = 86_400_000

/** The most days that a takeover may last: one that is left on would also take over the next copy of the other deployment's store. */
const mostDays = 31

const aName = "a name of 1 to 32 letters, digits, dots, hyphens and underscores, such as 'production'"

/** The option `deployment` of a store that was moved on purpose. */
export const DeploymentTakeover = Type.Object({
  /** The name of this deployment, which its servers and workers share. */
  name: Type.String({ ...DeploymentName, must: aName }),
  /** The deployment that the store was moved from: its records are served too, and are bound to this deployment at their next write. */
  takeOver: Type.String({ ...DeploymentName, must: `${aName}: that of the deployment that the store was moved from` }),
  /** The last day of the takeover, such as `'2026-12-24'`, in UTC; 31 days ahead at most. After it the option is as if it was only the name. */
  until: Type.String({ must: `the last day of the takeover in UTC, such as '2026-12-24', ${mostDays} days ahead at most` })
}, { additionalProperties: false })
export type DeploymentTakeover = Static<typeof DeploymentTakeover>

/** @internal The option `deployment`: its schema, and the text of the error for a wrong value. */
export const DeploymentOption = Type.Unsafe<string | DeploymentTakeover>(Type.Union([DeploymentName, DeploymentTakeover], {
  must: `${aName}, or, after a store was moved on purpose, { name, takeOver, until }; it may be left out, but not be undefined, as an unset variable is`
}))

/** @internal A sentence for each thing that is wrong with the option `deployment`. `now` in Unix milliseconds. */
export function wrongDeployment (given: Record<string, unknown>, now: number): string[] {
  // A variable that was forgotten would leave the store without protection.
  if (!Object.hasOwn(given, 'deployment')) return []
  const { deployment } = given
  if (!isPlainObject(deployment)) return Value.Check(DeploymentName, deployment) ? [] : [`deployment must be ${String(DeploymentOption.must)}.`]
  const complete = { name: null, takeOver: null, until: null, ...deployment }
  const problems = wrongFields(DeploymentTakeover, Object.fromEntries(Object.entries(complete).map(([name, value]) => [name, value ?? null])), 'deployment.')
  if (problems.length > 0) return problems
  const { name, takeOver, until } = deployment as DeploymentTakeover
  const end = endOf(until)
  return [
    ...(name === takeOver ? ['deployment.takeOver must be another name than deployment.name.'] : []),
    ...(end === undefined || end - now > (mostDays + 1) * day ? [`deployment.until must be ${String(DeploymentTakeover.properties.until.must)}.`] : [])
  ]
}

/** @internal The option once it was found right. */
export function resolveDeployment (option: string | DeploymentTakeover | undefined): DeploymentSettings | undefined {
  if (option === undefined) return undefined
  if (typeof option === 'string') return { name: option, takeOver: undefined }
  const { name, takeOver, until } = option
  return { name, takeOver: { name: takeOver, until: Number(endOf(until)) / 1000 } }
}

/** @internal What the log says of a takeover at the boot, so that it is not forgotten; undefined if there is none. `now` in Unix milliseconds. */
export function takeoverNotice (settings: DeploymentSettings | undefined, now: number): string | undefined {
  if (settings?.takeOver === undefined) return undefined
  const { name, takeOver: { name: other, until } } = settings
  const last = dayOf(until * 1000 - day)
  return until * 1000 > now
    ? `deployment.takeOver is on until the end of ${last} (UTC): records of the deployment ${other} are served here, and bound to ${name}`
    : `deployment.takeOver has ended with ${last} (UTC): records of the deployment ${other} are refused again; set deployment: '${name}'`
}

/** The end of a day in Unix milliseconds; undefined if there is no such day. */
function endOf (text: string): number | undefined {
  const start = Date.parse(`${text}T00:00:00Z`)
  // The 30th of February would be one in March.
  return !Number.isNaN(start) && dayOf(start) === text ? start + day : undefined
}

function dayOf (milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10)
}
