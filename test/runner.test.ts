import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

/* What this project changes of tap: its loader for TypeScript, and how the test of an uncaught error is found (`.config`). */

t.test('the tests run as this project compiles them, and nothing follows their promises', async t => {
  t.same(process.execArgv.filter(argument => /@tapjs\/(?:typescript|mock)/.test(argument)), [], 'run node .config/tap-plugins.mjs once, as npm test does')
})

t.test('an error that nobody catches fails the test in which it came', async t => {
  const file = join(t.testdir(), 'uncaught.mjs')
  writeFileSync(file, `
    import t from 'tap'
    const turn = () => new Promise(resolve => setImmediate(resolve))
    // Timers of other lengths may come in another order on a busy machine.
    const throwLater = message => new Promise(resolve => setTimeout(() => {
      setImmediate(resolve)
      throw new Error(message)
    }))
    t.test('throws', async t => { await throwLater('thrown later') })
    t.test('rejects', async t => {
      await t.test('inside', async () => {
        Promise.reject(new Error('rejected'))
        await turn()
      })
      await t.test('after it', async () => { await turn() })
    })
    t.test('has a listener of its own', async t => {
      const caught = []
      process.once('uncaughtException', error => caught.push(error.message))
      await throwLater('for the listener')
      t.same(caught, ['for the listener'])
    })
  `)
  const { status, stdout } = spawnSync(process.execPath, ['--import', './.config/typescript.mjs', file], {
    encoding: 'utf8', env: { PATH: process.env.PATH, TAP: '1', _TAPJS_PROCESSINFO_COVERAGE_: '0' }
  })
  const lines = [...new Set(stdout.split('\n').filter(line => /^ *(?:not )?ok /.test(line)).map(line => line.replace(/ #.*/, '').replace(/ \d+ - /, ' ')))] // tap says some twice
  t.same(lines, [
    '    not ok thrown later',
    'not ok throws',
    '        not ok rejected',
    '    not ok inside',
    '    ok after it',
    'not ok rejects',
    '    ok should be equivalent',
    'ok has a listener of its own'
  ])
  t.equal(status, 1)
})
