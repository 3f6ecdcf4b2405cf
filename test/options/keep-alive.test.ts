import { inspect } from 'node:util'
import t from 'tap'
import { boot, canary, optionsWith, refusal } from '../harness/boot.js'

t.test('keep-alive can be switched off, and each of its settings can be set without the others', async t => {
  const unset: number | undefined = undefined
  for (const keepAlive of [false, {}, { every: 60 }, { within: 0 }, { rate: 0.5, concurrency: 1 }, { every: unset }, Object.create(null)]) {
    t.equal(await boot(t, optionsWith({ keepAlive })), undefined, inspect(keepAlive))
  }
})

t.test('the error names a wrong or unknown setting of keep-alive', async t => {
  const must = 'keepAlive must be false, or a plain object with every, within, rate and concurrency, all of them optional; left out, it has its defaults.'
  for (const keepAlive of [true, null, canary, 3600, [], [canary], new Map(), new Date()]) t.equal(await refusal(t, { keepAlive }), must, inspect(keepAlive))
  const wrong: Array<[Record<string, unknown>, string]> = [
    [{ every: 0 }, 'keepAlive.every must be a number of seconds from 1 to 604800.'],
    [{ every: NaN }, 'keepAlive.every must be a number of seconds from 1 to 604800.'],
    [{ within: canary }, 'keepAlive.within must be a number of seconds from 0 to 31536000.'],
    [{ rate: Infinity }, 'keepAlive.rate must be a number from 0.01 to 1000.'],
    [{ concurrency: 1.5 }, 'keepAlive.concurrency must be a whole number from 1 to 100.'],
    [{ evry: canary }, 'keepAlive.evry is not an option: did you mean keepAlive.every?'],
    [{ toString: canary }, 'keepAlive.toString is not an option.']
  ]
  for (const [keepAlive, sentence] of wrong) t.equal(await refusal(t, { keepAlive }), sentence, inspect(keepAlive))
  t.match(await refusal(t, { keepAlive: { every: -1, rate: 0 } }), /^keepAlive\.every must be .*\.\nkeepAlive\.rate must be .*\.$/)
})
