import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { isLong } from '../harness/share.js'

/*
 * That the benchmarks run: tiny windows, and no libraries to compare with unless they are installed. The numbers mean nothing. `npm test`
 * builds the package first.
 */

const run = promisify(execFile)

/** Without tap's loader and coverage, which the benchmarks are not to be measured with. */
const { NODE_OPTIONS, NODE_V8_COVERAGE, ...env } = process.env

t.test('every benchmark runs, and is written into the results', { skip: !isLong && 'one of them runs below; all of them in npm run test:long' }, async t => {
  const file = join(t.testdir(), 'RESULTS.md')
  await run(process.execPath, ['test/benchmark/run.mjs', '--quick', '--no-install', '--out', file], { env, timeout: 140_000 })
  const text = await readFile(file, 'utf8')
  for (const id of ['1', '2', '3', '4', '5', '6', '7', '8']) t.match(text, new RegExp(`^## ${id}\\. `, 'm'))
  t.match(text, '| fastify-clover |')
  t.notMatch(text, /undefined|NaN|\[object/)
})

t.test('one benchmark can be run alone, and leaves the results of the others', async t => {
  const file = join(t.testdir({ 'RESULTS.md': '# Benchmarks\n\n<!-- workload 2 -->\n\n## 2. As it was\n' }), 'RESULTS.md')
  await run(process.execPath, ['test/benchmark/run.mjs', '--quick', '--no-install', '--out', file, '8'], { env, timeout: 140_000 })
  const text = await readFile(file, 'utf8')
  t.match(text, /## 2\. As it was[^]*## 8\. /)
})

t.test('a benchmark that there is not is an error', async t => {
  await t.rejects(run(process.execPath, ['test/benchmark/run.mjs', '9'], { env }), { code: 1, stderr: /no workload 9/ })
})
