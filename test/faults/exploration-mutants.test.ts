import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { explorer } from './exploration/explorer.js'
import { checkTypes } from './exploration/mutant-loader.js'
import { mutants } from './exploration/mutants.js'

/*
 * That the exploration can see: each rule is left out once, in a copy of the source that is changed in one place, and a property must
 * break. exploration.test.ts goes through the same scenarios with the sources as they are.
 */
t.setTimeout(840_000)

const table: string[] = []
const folder = t.testdir()
const explore = explorer(t)

t.test('each leaves a program that compiles: one that throws a TypeError would be seen for that', async t => {
  t.same(checkTypes(mutants), [])
})

for (const [i, mutant] of mutants.entries()) {
  t.test(`it is seen if rule ${mutant.rule}`, async t => {
    const copies = join(folder, String(i))
    await mkdir(copies)
    const { failure, runs } = await explore({ scenario: mutant.shows, mutant: { index: i, folder: copies } })
    t.equal(failure?.property, mutant.breaks)
    table.push(`${mutant.rule.padEnd(64)} ${(failure?.property ?? '').padEnd(6)} ${mutant.shows}, schedule ${runs}: ${failure?.what ?? ''}`)
  })
}

t.test('which property each one broke', async t => {
  t.comment(table.join('\n'))
  t.equal(table.length, mutants.length)
})
