import { join } from 'node:path'
import t from 'tap'
import { buildApp } from '../../example/app.js'
import { readSettings } from '../../example/settings.js'
import { connectToClover } from '../../example/simulator.js'
import { freePort } from '../harness/ports.js'

t.test('a diagnosis finds nothing wrong with the example', async t => {
  const [port, simulatorPort] = [await freePort(), await freePort()]
  const settings = readSettings({ PORT: String(port), SIMULATOR_PORT: String(simulatorPort), DATABASE: join(t.testdir(), 'example.sqlite'), LOG_LEVEL: 'silent' })
  const app = await buildApp(settings, await connectToClover(settings))
  t.teardown(() => app.close())
  await app.listen({ host: settings.host, port })
  const findings = []
  for await (const finding of app.clover.diagnose()) findings.push(finding)
  t.same(findings.filter(({ status }) => status === 'warning' || status === 'error'), [])
  t.ok(findings.filter(({ status }) => status === 'ok').length > 18)
  for (const check of ['launch', 'launch-cookie', 'callback', 'refresh-guard', 'webhook', 'storage-updates', 'storage-durability', 'clock']) {
    t.match(findings.find(finding => finding.check === check), { status: 'ok' }, check)
  }
})
