import { mutants, type Mutant } from './mutants.js'
import { properties, type Property } from './properties.js'
import { doubtAtBeginning, theRules, withoutDoubt, type Rules } from './rules.js'
import { search, type Search } from './search.js'
import type { Setting } from './setting.js'
import { forMutants, large, limits, small } from './worlds.js'

/*
 * npm run model [-- <part of a name>]
 *
 * Goes through the small worlds and the large ones, leaves out each rule, and prints a table. With a name, only the searches whose names
 * contain it, with a history for each property that does not hold. Exits with 1 if anything is not as expected.
 */

/** Of one world: more than 1.2 GB of memory. */
const mostStates = 9_000_000

interface Plan {
  name: string
  setting: Setting
  rules: Rules
  /** The properties that must not hold; all others must. */
  expected: readonly Property[]
}

const plans: Plan[] = [
  ...Object.entries({ ...small, ...large }).map(([name, setting]) => ({ name, setting, rules: theRules, expected: [] })),
  { name: 'rule 18 left out', setting: small['two faults'], rules: withoutDoubt, expected: ['P7'] },
  { name: 'rule 18, doubt only from the beginning', setting: small['two faults'], rules: doubtAtBeginning, expected: ['P7'] },
  { name: 'limit: one lost answer, low trust', setting: limits['one lost answer, low trust'], rules: theRules, expected: ['P1'] },
  { name: 'limit: two lost answers, recovery once', setting: limits['two lost answers, recovery once'], rules: theRules, expected: ['P1'] },
  ...mutants.map(({ name, leftOut, world, violates }: Mutant) => (
    { name: `not ${name}`, setting: forMutants[world], rules: { ...theRules, [leftOut]: false }, expected: violates }
  ))
]

const wanted = process.argv[2]
let isAsExpected = true
console.log(['World', 'States', 'Seconds', 'Result'].join(' | '))
console.log('--- | ---: | ---: | ---')
for (const { name, setting, rules, expected } of plans) {
  if (wanted !== undefined && !name.includes(wanted)) continue
  const found = search(setting, rules, mostStates)
  const broken = [...found.violations.keys()]
  const isRight = broken.join() === expected.join()
  isAsExpected &&= isRight
  console.log([name, found.states.toLocaleString('en'), found.seconds.toFixed(1), resultOf(found) + (isRight ? '' : ', NOT AS EXPECTED')].join(' | '))
  if (wanted !== undefined || !isRight) for (const trace of found.violations.values()) console.log(`\n${trace.join('\n')}\n`)
}
const { rss } = process.memoryUsage()
console.log(`\n${Object.entries(properties).map(([name, text]) => `${name}: ${text}`).join('\n')}\n${Math.round(rss / 1e6)} MB at the end`)
if (!isAsExpected) process.exitCode = 1

function resultOf ({ violations, isComplete }: Search): string {
  const broken = [...violations].map(([property, trace]) => `${property} broken after ${trace.length - 1} moves`).join(', ')
  return (broken || 'P1 to P7 hold') + (isComplete ? '' : ', as far as it was gone through')
}
