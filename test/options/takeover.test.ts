import { inspect } from 'node:util'
import t from 'tap'
import { resolveOptions } from '../../src/options/resolve-options.js'
import { boot, canary, optionsWith, refusal } from '../harness/boot.js'

t.test('a takeover names both deployments and its last day, a month ahead at most', async t => {
  const dayIn = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
  const right = { name: 'production-eu', takeOver: 'production', until: dayIn(7) }
  const name = "must be a name of 1 to 32 letters, digits, dots, hyphens and underscores, such as 'production'"
  const until = "deployment.until must be the last day of the takeover in UTC, such as '2026-12-24', 31 days ahead at most."
  const unset: string | undefined = process.env.FASTIFY_CLOVER_TEST_NEVER_SET
  const wrong: Array<[object, string]> = [
    [{ ...right, name: canary }, `deployment.name ${name}.`], [{ ...right, name: unset }, `deployment.name ${name}.`],
    [{ ...right, takeOver: ['production'] }, `deployment.takeOver ${name}: that of the deployment that the store was moved from.`],
    [{ name: 'a', takeOver: 'b' }, until], [{ ...right, untl: canary, until: unset }, `${until}\ndeployment.untl is not an option: did you mean deployment.until?`],
    [{}, `deployment.name ${name}.\ndeployment.takeOver ${name}: that of the deployment that the store was moved from.\n${until}`],
    [{ ...right, takeOver: right.name }, 'deployment.takeOver must be another name than deployment.name.'],
    ...[canary, '', 'tomorrow', '2026-02-30', '2026-12-24T00:00', '24.12.2026', ' 2026-12-24', '2099-01-01', dayIn(33), new Date(), Date.now(), null].map((value): [object, string] => [{ ...right, until: value }, until])
  ]
  for (const [deployment, sentence] of wrong) t.equal(await refusal(t, { deployment }), sentence, inspect(deployment))
  for (const day of [dayIn(0), dayIn(31), dayIn(-1), '2020-02-29']) t.equal(await boot(t, optionsWith({ deployment: { ...right, until: day } })), undefined, day)
  t.same(resolveOptions(optionsWith({ deployment: { ...right, until: '2026-12-24' } }), Date.UTC(2026, 11, 1)).deployment,
    { name: 'production-eu', takeOver: { name: 'production', until: Date.UTC(2026, 11, 25) / 1000 } })
  t.throws(() => resolveOptions(optionsWith({ deployment: { ...right, until: '2027-01-02' } }), Date.UTC(2026, 11, 1, 23)), { message: until })
  t.ok(resolveOptions(optionsWith({ deployment: { ...right, until: '2027-01-01' } }), Date.UTC(2026, 11, 1)))
})
