import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { exhaust } from './exploration/explore.js'
import { loadMutant, mutants } from './exploration/mutants.js'
import { exhaustive, thorough } from './exploration/scenarios.js'

/*
 * That the exploration can see: each rule is left out once, in a copy of the source that is changed in one place, and a property must
 * break. exploration.test.ts goes through the same scenarios with the sources as they are.
 */
Error.stackTraceLimit = 0
t.setTimeout(840_000)

const table: string[] = []
const folder = t.testdir()

for (const [i, mutant] of mutants.entries()) {
  t.test(`it is seen if rule ${mutant.rule}`, async t => {
    const scenario = [...exhaustive, ...thorough].find(({ name }) => name === mutant.shows)
    if (scenario === undefined) return t.fail(`no scenario ${mutant.shows}`)
    const copies = join(folder, String(i))
    await mkdir(copies)
    const { failure, runs } = await exhaust(scenario, await loadMutant(mutant, copies))
    t.ok(failure)
    table.push(`${mutant.rule.padEnd(64)} ${(failure?.property ?? '').padEnd(6)} ${scenario.name}, schedule ${runs}: ${failure?.what ?? ''}`)
  })
}

t.test('which property each one broke', async t => {
  t.comment(table.join('\n'))
  t.equal(table.length, mutants.length)
})
