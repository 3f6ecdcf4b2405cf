import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { progressBar } from '../../src/cli/progress-bar.js'
import { notBegun, type MigrationOutcome } from '../../src/jobs/migration-options.js'
import type { LegacyFixture } from '../jobs/legacy.js'
import { id } from '../jobs/server-jobs.js'
import { appOf, run, fixtureWithApp } from './terminal.js'

interface List {
  file: string
  /** The path of another file beside it. */
  beside: (name: string) => string
  text: string
  tokens: string[]
}

/** Writes merchants with legacy tokens, and further rows, to a file beside the app. */
function listOf ({ app, legacy }: Pick<LegacyFixture, 'legacy'> & { app: string }, count: number, { more = '', name = 'legacy.csv' } = {}): List {
  const rows = legacy(count)
  const text = `merchantId,legacyToken\n${rows.map(({ merchantId, legacyToken }) => `${merchantId},${legacyToken}\n`).join('')}${more}`
  const beside = (name: string) => join(dirname(app), name)
  writeFileSync(beside(name), text)
  return { file: beside(name), beside, text, tokens: rows.map(({ legacyToken }) => legacyToken) }
}

/** An app whose migration yields these outcomes, of a list with as many rows. */
function appYielding (t: Test, outcomes: MigrationOutcome[], onTaken = async (_taken: number) => {}): { app: string, file: string } {
  const app = appOf(t, async fastify => {
    fastify.decorate('clover', {
      async * migrateLegacy (source: AsyncIterable<unknown>) {
        let taken = 0
        for await (const merchant of source) {
          await onTaken(taken)
          if (merchant !== undefined && outcomes[taken] !== undefined) yield outcomes[taken++]
        }
      }
    } as unknown as FastifyInstance['clover'])
  })
  const { file } = listOf({ app, legacy: count => Array.from({ length: count }, (_, i) => ({ merchantId: id(i), legacyToken: 'canary' })) }, outcomes.length)
  return { app, file }
}

const fast = ['--rate', '1000', '--concurrency', '8']

t.test('migrate moves the merchants of a CSV file, and another run finds that they are connected', async t => {
  const fixture = await fixtureWithApp(t)
  const { file, tokens } = listOf(fixture, 12)
  const first = await run(['migrate', fixture.app, file, ...fast])
  t.same([first.code, first.err], [0, ''])
  t.match(first.reports.at(-1), { type: 'summary', total: 12, done: 12, migrated: 12, alreadyConnected: 0, refused: 0, failed: 0, isComplete: true, seconds: Number })
  t.ok(first.reports.length > 1 && first.reports.slice(0, -1).every(({ type, total }) => type === 'progress' && total === 12))
  t.match(await fixture.record(11), { flow: 'v2' })
  t.match((await run(['migrate', fixture.app, file, ...fast])).reports.at(-1), { migrated: 0, alreadyConnected: 12 })
  for (const token of tokens) t.notMatch(first.out, token)
})

t.test('the list may be JSON Lines, or standard input', async t => {
  const fixture = await fixtureWithApp(t)
  const { beside, text } = listOf(fixture, 2)
  const [merchant] = fixture.legacy(3).slice(2)
  for (const name of ['legacy.jsonl', 'legacy.NDJSON']) {
    writeFileSync(beside(name), `${JSON.stringify(merchant)}\n`)
    t.match(await run(['migrate', fixture.app, beside(name), ...fast]), { code: 0 })
  }
  const piped = await run(['migrate', fixture.app, '-', '--format', 'csv', ...fast], { input: [Buffer.from(text)] })
  t.equal(piped.code, 0)
  t.match(piped.reports.at(-1), { total: 2, migrated: 2, isComplete: true })
  t.notOk('total' in (piped.reports[0] ?? {}), 'it is not known beforehand')
  writeFileSync(beside('list.txt'), text)
  t.match((await run(['migrate', fixture.app, beside('list.txt'), '--format', 'csv'])).reports.at(-1), { alreadyConnected: 2 })
})

t.test('who is not moved is printed with the row, or written to a file, and is exit code 1', async t => {
  const fixture = await fixtureWithApp(t)
  const more = `\n${id(90)},canary-unknown\ncanary-wrong,canary-token\n`
  const { file, beside, tokens } = listOf(fixture, 3, { more })
  fixture.clover.fault({ on: 'migrate', kind: 'status', status: 500, times: Infinity, merchantId: id(1) })
  const printed = await run(['migrate', fixture.app, file, ...fast])
  t.equal(printed.code, 1)
  t.match(printed.reports.at(-1), { type: 'summary', total: 5, done: 5, migrated: 2, refused: 2, failed: 1, isComplete: true })
  t.same(printed.reports.filter(({ type }) => type === 'reject').map(({ row, merchantId, outcome, code }) => [row, merchantId, outcome, code]).sort(), [
    [3, id(1), 'failed', 'FST_CLOVER_UNAVAILABLE'],
    [6, id(90), 'refused', 'FST_CLOVER_DENIED'],
    [7, null, 'refused', 'FST_CLOVER_INVALID_MERCHANT_ID']
  ])

  const shown = await run(['migrate', fixture.app, file, ...fast], { isTerminal: true, env: { NO_COLOR: '1' } })
  t.match(shown.err, `\r\x1b[Krow 6, ${id(90)}: refused: The authorization was not granted: Clover did not accept the legacy token (status 401): the merchant must open the app from Clover.\n`)
  t.match(shown.err, '\r\x1b[Krow 7, no merchant: refused: The merchant id must be ')
  t.match(shown.out, /^5 merchants: 0 moved, 2 had a pair already, 2 refused, 1 failed; in [\d.]+ seconds\.\n$/)

  const rejects = beside('rejects.csv')
  const written = await run(['migrate', fixture.app, file, ...fast, '--rejects', rejects], { isTerminal: true, env: { NO_COLOR: '1' } })
  t.equal(written.code, 1)
  t.notMatch(written.err, 'row 6')
  t.match(written.out, `\nMerchants who could not be moved are in ${rejects}.\n`)
  const rows = readFileSync(rejects, 'utf8').trim().split('\n')
  t.equal(rows.shift(), 'row,merchantId,outcome,code,reason')
  t.match(rows.sort(), [
    new RegExp(`^3,${id(1)},failed,FST_CLOVER_UNAVAILABLE,.+`), new RegExp(`^6,${id(90)},refused,FST_CLOVER_DENIED,.+`), /^7,,refused,FST_CLOVER_INVALID_MERCHANT_ID,"The merchant id must be /
  ])
  for (const secret of ['canary', ...tokens]) t.notMatch([printed.out, printed.err, shown.out, shown.err, written.out, written.err, ...rows].join(), secret)
})

t.test('an outcome of its own has no code', async t => {
  const { app, file } = appYielding(t, [{ index: 0, merchantId: id(0), outcome: 'failed', reason: 'A, "B"' }])
  const rejects = join(dirname(app), 'rejects.csv')
  t.match(await run(['migrate', app, file, '--rejects', rejects]), { code: 1 })
  t.match(readFileSync(rejects, 'utf8'), `2,${id(0)},failed,,"A, ""B"""\n`)
})

t.test('a list that cannot be used is a sentence and exit code 2, before anything is done', async t => {
  const fixture = await fixtureWithApp(t)
  const { file, beside, text } = listOf(fixture, 2, { more: 'canary,canary,canary\n' })
  writeFileSync(beside('columns.csv'), 'merchant,token\n')
  writeFileSync(beside('list.txt'), text)
  const wrong: Array<[string[], string]> = [
    [[beside('columns.csv')], `${beside('columns.csv')} has the columns merchant,token: it must have merchantId,legacyToken.`],
    [[file], `${file}, row 4: it has 3 fields, and the first row has 2.`],
    [[beside('none.csv')], `${beside('none.csv')} is no file that can be read: name the list of merchants and their legacy tokens.`],
    [[dirname(file), '--format', 'csv'], `${dirname(file)} is no file that can be read: name the list of merchants and their legacy tokens.`],
    [[beside('list.txt')], `give --format csv or --format jsonl: the name of ${beside('list.txt')} does not say which it is.`],
    [['-'], 'give --format csv or --format jsonl: the name of standard input does not say which it is.']
  ]
  for (const [args, says] of wrong) t.match(await run(['migrate', fixture.app, ...args]), { code: 2, out: '', err: `fastify-clover: ${says}\n` })
  t.equal(fixture.clover.calls.length, 0)
})

t.test('a wrong row of standard input ends the run, after the merchants before it', async t => {
  const fixture = await fixtureWithApp(t)
  const { text } = listOf(fixture, 2)
  const { code, err, reports } = await run(['migrate', fixture.app, '-', '--format', 'csv', ...fast], { input: [text, 'canary\n'] })
  t.same([code, err], [2, 'fastify-clover: standard input, row 4: it has 1 field, and the first row has 2.\n'])
  t.match(reports.at(-1), { type: 'summary', migrated: 2, isComplete: false })
})

t.test('the rejects never replace the list, and a file that cannot be written is exit code 2', async t => {
  const fixture = await fixtureWithApp(t)
  const { file, beside, text } = listOf(fixture, 1)
  t.match(await run(['migrate', fixture.app, file, '--rejects', file]), { code: 2, err: 'fastify-clover: --rejects must name another file than the list, which it would replace.\n' })
  t.equal(readFileSync(file, 'utf8'), text)
  t.match(await run(['migrate', fixture.app, file, '--rejects', beside('none/rejects.csv')]), { code: 2, err: /: --rejects must name a file that can be written: ENOENT/ })
  t.equal(fixture.clover.calls.length, 0)
  const fresh = beside('rejects.csv')
  t.match(await run(['migrate', fixture.app, file, ...fast, '--rejects', fresh], { isTerminal: true }), { code: 0, out: /seconds\.\n$/ })
  t.ok(existsSync(fresh))
})

t.test('a stop finishes the merchants in progress and is exit code 1, and the next run goes on', async t => {
  const stop = new AbortController()
  let puts = 0
  const fixture = await fixtureWithApp(t, ({ storage }) => ({
    storage: { ...storage, put: async (next, expected) => { if (++puts === 5) stop.abort(); return await storage.put(next, expected) } }
  }))
  const { file } = listOf(fixture, 40)
  const first = await run(['migrate', fixture.app, file, '--rate', '1000', '--concurrency', '2'], { signal: stop.signal, isTerminal: true, env: { NO_COLOR: '1' } })
  t.equal(first.code, 1)
  t.match(first.out, /^\d+ of 40 merchants moved, 0 had a pair already, 0 refused, 0 failed, \d+ left; in [\d.]+ seconds\.\nStopped: run it again to go on\.\n$/)
  const [moved = 0, left] = ['of 40 merchants moved', 'left'].map(what => Number(new RegExp(`(\\d+) ${what}`).exec(first.out)?.[1]))
  t.ok(moved >= 5 && moved <= 7, `${moved}`)
  t.equal(left, 40 - moved, 'it adds up')
  const second = await run(['migrate', fixture.app, file, ...fast])
  t.equal(second.code, 0)
  t.match(second.reports.at(-1), { migrated: 40 - moved, alreadyConnected: moved })
})

t.test('merchants who were read and not begun when it was stopped are left, and no rejects', async t => {
  let stop = new AbortController()
  const { app, file } = appYielding(t, [
    { index: 0, merchantId: id(0), outcome: 'migrated' },
    { index: 1, merchantId: id(1), outcome: 'failed', reason: notBegun },
    { index: 2, merchantId: id(2), outcome: 'failed', reason: 'no answer', code: 'FST_CLOVER_UNAVAILABLE' }
  ], async () => { stop.abort() })
  const rejects = join(dirname(app), 'rejects.csv')
  const io = () => {
    stop = new AbortController()
    return { signal: stop.signal, env: { NO_COLOR: '1' } }
  }
  const shown = await run(['migrate', app, file, '--rejects', rejects], { ...io(), isTerminal: true })
  t.equal(shown.code, 1)
  t.match(shown.out, /^1 of 3 merchants moved, 0 had a pair already, 0 refused, 1 failed, 1 left; in [\d.]+ seconds\.\nStopped: run it again to go on\.\n/)
  t.equal(readFileSync(rejects, 'utf8'), `row,merchantId,outcome,code,reason\n4,${id(2)},failed,FST_CLOVER_UNAVAILABLE,no answer\n`)
  const { reports } = await run(['migrate', app, file], io())
  t.match(reports.map(({ type, row }) => [type, row]), [['reject', 4], ['summary', undefined]])
  t.match(reports.at(-1), { total: 3, done: 2, migrated: 1, failed: 1, left: 1, isComplete: false })
  const piped = await run(['migrate', app, '-', '--format', 'csv'], { ...io(), isTerminal: true, input: [readFileSync(file)] })
  t.match(piped.out, /^2 merchants: 1 moved, .* 1 failed; in [\d.]+ seconds\.\nStopped: run it again to go on\.\n$/, 'how many are left is not known')
})

t.test('an error that ends the run is a sentence after the numbers, and exit code 1', async t => {
  const fixture = await fixtureWithApp(t)
  const { file } = listOf(fixture, 8)
  fixture.clover.fault({ on: 'merchant', kind: 'status', status: 403, times: Infinity })
  const { code, err, reports } = await run(['migrate', fixture.app, file, '--rate', '1000', '--concurrency', '1'])
  t.equal(code, 1)
  t.match(err, /^fastify-clover: Clover refused to let the app read merchant .*\n$/m)
  t.match(reports.at(-1), { type: 'summary', migrated: 0, isComplete: false })
})

t.test('an app of the old flow cannot be migrated to, which is exit code 2', async t => {
  const fixture = await fixtureWithApp(t, { flow: 'v1' })
  const { file } = listOf(fixture, 1)
  t.match(await run(['migrate', fixture.app, file], { isTerminal: true }), { code: 2, err: /migrateLegacy\(\): the plugin must be registered with flow 'v2'/ })
})

t.test('on a terminal a bar shows the progress, with the rate and the time left', async t => {
  const none = { migrated: 0, alreadyConnected: 0, refused: 0, failed: 0 }
  t.equal(progressBar({ ...none, done: 50, total: 200, rate: 4.56, timeLeft: 32.9, refused: 1, failed: 2 }), '███░░░░░░░░░ 50 of 200 | 4.6/s | 33 s left | 1 refused, 2 failed')
  t.equal(progressBar({ ...none, done: 200, total: 200, rate: 4.5, timeLeft: 0 }), '████████████ 200 of 200 | 4.5/s | 0 s left | 0 refused, 0 failed')
  t.match(progressBar({ ...none, done: 0, total: 0, rate: 0 }), '████████████ 0 of 0 | 0.0/s | 0 refused, 0 failed')
  t.match(progressBar({ ...none, done: 10, total: 5000, rate: 2, timeLeft: 2495 }), ' 42 min left ')
  t.equal(progressBar({ ...none, done: 7, rate: 2 }), '7 merchants | 2.0/s | 0 refused, 0 failed')
  const fixture = await fixtureWithApp(t)
  const { file } = listOf(fixture, 3)
  const { err } = await run(['migrate', fixture.app, file, ...fast], { isTerminal: true })
  t.match(err, '\r\x1b[K████████████ 3 of 3 | ')
  t.ok(err.endsWith('\r\x1b[K'))
})

t.test('a reason does not control the terminal', async t => {
  const reason = 'the store says \u001b[2J\u009b2Jno'
  const { app, file } = appYielding(t, [{ index: 0, merchantId: id(0), outcome: 'failed', reason }])
  const { err } = await run(['migrate', app, file], { isTerminal: true, env: { NO_COLOR: '1' } })
  t.match(err, 'failed: the store says  [2J 2Jno\n')
  const { out, reports } = await run(['migrate', app, file])
  t.match(out, 'says \\u001b[2J\\u009b2Jno"')
  t.match(reports[0], { reason })
})
