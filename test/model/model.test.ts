import t from 'tap'
import { share } from '../harness/share.js'
import { mutants } from './mutants.js'
import { doubtAtBeginning, theRules, withoutDoubt } from './rules.js'
import { search } from './search.js'
import { forMutants, limits, small } from './worlds.js'

/*
 * The rules of the refresh protocol, as a model: every state of small worlds. `npm run model` goes through large ones. See README.md.
 */

/** The short share ends in the worlds of three faults with refusals and leases, which have 150,000 states, and where a mutant has long been seen. */
const most: Partial<Record<string, number>> = share({ 'three late requests, refusals or leases': 20_000, 'late requests, refusals and leases': 20_000 }, {})

for (const [name, setting] of Object.entries(small)) {
  t.test(`P1 to P7 hold: ${name}`, async t => {
    const { states, isComplete, seconds, violations } = search(setting, theRules, most[name])
    for (const trace of violations.values()) t.fail(trace.join('\n'))
    t.equal(isComplete, most[name] === undefined)
    t.comment(`${states} states in ${seconds.toFixed(2)} s`)
  })
}

for (const { name, leftOut, world, violates } of mutants.filter(({ isSlow }) => !isSlow)) {
  t.test(`it is seen if rule ${name}`, async t => {
    const { violations } = search(forMutants[world], { ...theRules, [leftOut]: false }, most[world])
    t.same([...violations.keys()], violates, [...violations.values()].map(trace => trace.join('\n')).join('\n'))
  })
}

t.test('every rule of the model is left out once', async t => {
  const rules = Object.entries(theRules).filter(([, isKept]) => isKept).map(([name]) => name)
  t.same(mutants.map(({ leftOut }) => leftOut).sort(), rules.sort())
})

t.test('without rule 18, a late recovery ends a pair that nobody looks at (P7)', async t => {
  const { violations } = search(forMutants['late requests and refusals'], withoutDoubt)
  t.same([...violations.keys()], ['P7'])
  const trace = violations.get('P7') ?? []
  t.match(trace.at(-1), /Nobody is at work on it/)
  t.match(trace.at(-2), /stored: 2 spent 1; Clover: 2 \(or recovers with 1\); late: recover\(1\)$/)
})

t.test('with doubt only from the beginning of an attempt and from what it did itself, a pair written over a lease is not looked at (P7)', async t => {
  const { violations } = search(forMutants['late requests and leases'], doubtAtBeginning)
  t.same([...violations.keys()], ['P7'])
  const trace = violations.get('P7') ?? []
  t.match(trace.at(-1), /Nobody is at work on it/)
  t.match(trace.join('\n'), /reads 1 under a lease, and will write 2 over it/)
  t.match(trace.at(-2), /late: recover\(1\)$/)
})

for (const [name, setting] of Object.entries(limits)) {
  t.test(`a known limit: ${name}`, async t => {
    t.same([...search(setting, theRules).violations.keys()], ['P1'], 'the merchant must authorize again')
  })
}

t.test('a trace has a line for each move, and ends with the property that does not hold', async t => {
  const { violations } = search(forMutants.quiet, { ...theRules, waitsForLease: false })
  const trace = violations.get('P4') ?? []
  t.match(trace[0], /^ {2}1\. the access token of 1 grows old +stored: 1; Clover: 1$/)
  t.ok(trace.slice(0, -1).every((line, i) => line.startsWith(`${i + 1}.`.padStart(4))))
  t.equal(trace.at(-1), 'Not so: without faults Clover gets one refresh (P4)')
})

t.test('a search that is cut says so, and finds nothing beyond', async t => {
  const { states, isComplete, violations } = search(small['two faults'], theRules, 1_000)
  t.notOk(isComplete)
  t.ok(states > 1_000 && states < 1_100)
  t.equal(violations.size, 0)
})
