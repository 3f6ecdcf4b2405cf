import t from 'tap'
import { isLong } from '../harness/share.js'
import { explorer } from './exploration/explorer.js'
import { compileMutants } from './exploration/mutant-sources.js'
import { mutants } from './exploration/mutants.js'

/*
 * That the exploration can see: each rule is left out once, in a copy of the source that is changed in one place, and a property must
 * break. exploration.test.ts goes through the same scenarios with the sources as they are.
 */
t.setTimeout(840_000)

const files = await compileMutants(mutants, t.testdir())

t.test('each leaves a program that compiles: one that throws a TypeError would be seen for that', { skip: !isLong && 'the compiler takes as long as all of the below; it looks at them in npm run test:long' }, async t => {
  const { checkTypes } = await import('./exploration/mutant-types.js')
  t.same(checkTypes(mutants), [])
})

t.test('each is seen', { skip: isLong && 'npm test sees each of them' }, async t => {
  const table: string[] = []
  const explore = explorer(t)
  for (const [i, { rule, shows, breaks, schedule }] of mutants.entries()) {
    const { failure, runs } = await explore({ scenario: shows, mutant: { file: files[i] ?? '', schedule } })
    t.equal(failure?.property, breaks, `it is seen if rule ${rule}`)
    table.push(`${rule.padEnd(64)} ${(failure?.property ?? '').padEnd(6)} ${shows}, schedule ${runs}: ${failure?.what ?? ''}`)
  }
  t.comment(table.join('\n'))
})
