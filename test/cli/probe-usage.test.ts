import { readFile } from 'node:fs/promises'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { experiments } from '../../src/cli/probe/experiments/index.js'
import { readSettings } from '../../src/cli/probe/settings.js'
import { Unknowns } from '../../src/testing/simulator/unknowns.js'
import { run } from './terminal.js'

const env = { CLOVER_APP_ID: 'SIMULATORAPP1', CLOVER_APP_SECRET: 'canary' }
const names = experiments.map(({ name }) => name)
const terminal = { isTerminal: true, env: {} }

t.test('--help lists every experiment, marks those that ask, and warns', async t => {
  const { code, out } = await run(['probe', '--help'])
  t.equal(code, 0)
  for (const { name, cost, learns } of experiments) t.match(out, `\n  ${cost === undefined ? ' ' : '*'} ${name.padEnd(18)} ${learns}\n`)
  t.match(out, /Use a merchant that no running host of yours keeps/)
  t.equal(new Set(names).size, names.length)
})

t.test('the guide has each experiment with what it settles, and every switch has one', async t => {
  const [, guide = ''] = (await readFile('src/operations/README.md', 'utf8')).split('\n## Probe\n')
  for (const { name, settles } of experiments) {
    const row = guide.split('\n').find(line => line.startsWith(`| \`${name}\` |`)) ?? ''
    t.same([...(row.split('|')[3] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name), settles, name)
  }
  const settled = experiments.flatMap(({ settles }) => settles)
  t.same(Object.keys(Unknowns.properties).filter(name => !settled.includes(name as keyof Unknowns)), ['implicitParameters'])
})

t.test('wrong usage is a sentence on stderr and exit code 2', async t => {
  const wrong: Array<[string[], RegExp, Record<string, string>?]> = [
    [[], /: give the App ID of an app in Clover's sandbox, by --app-id or CLOVER_APP_ID\.\n$/, {}],
    [[], /: give the App ID /, { CLOVER_APP_ID: '' }],
    [[], /: CLOVER_APP_ID must be 13 characters of A-Z and 0-9\.\n$/, { CLOVER_APP_ID: 'canary' }],
    [['--app-id', 'canary'], /: --app-id must be 13 characters of A-Z and 0-9\.\n$/],
    [[], /: CLOVER_APP_SECRET has a blank or a line break at one of its ends: remove it\.\n$/, { ...env, CLOVER_APP_SECRET: 'canary\n' }],
    [['--app-secret', 'canary'], /: --app-secret is not an option\.\n$/],
    [['canary'], /: probe takes only options: see fastify-clover probe --help\.\n$/],
    [['--environment', 'europe'], /: europe has real merchants, whom the probe may disconnect: use the sandbox, or give --i-may-disconnect-real-merchants\.\n$/],
    [['--environment', 'mars'], /: --environment must be sandbox, north-america, europe or latin-america\.\n$/],
    [['--origin', 'https://api.clover.com'], /: --origin must be the origin of a simulator on this machine, such as http:\/\/localhost:4000\.\n$/],
    [['--origin', 'http://localhost:4000/path'], /: --origin must be the origin /],
    [['--base-url', 'http://probe.example'], /: --base-url must be an https origin without a path, such as https:\/\/probe\.example\.\n$/],
    [['--base-url', 'nonsense'], /: --base-url must be an https origin /],
    [['--base-url', 'https://probe.example/path'], /: --base-url must be an https origin /],
    [['--only', 'recovry'], /: recovry is no experiment: did you mean recovery\?\n$/],
    [['--skip', 'recovery,nonsense'], /: nonsense is no experiment: see fastify-clover probe --help\.\n$/],
    [['--only', 'A B'], /: --only must be names of experiments with commas between them\.\n$/],
    [['--wait', '0'], /: --wait must be a number of seconds from 1 to 86400\.\n$/],
    [['--port', '65536'], /: --port must be a port, or 0 for a free one\.\n$/],
    [['--merchant', 'canary'], /: --merchant must be 13 characters of A-Z and 0-9\.\n$/],
    [['--out', join(t.testdir({}), 'missing', 'report.json')], /: the report cannot be written, choose a file with --out: ENOENT: .*\n$/]
  ]
  for (const [args, says, variables = env] of wrong) {
    const { code, out, err } = await run(['probe', ...args], { isTerminal: true, env: { NO_COLOR: '1', ...variables } })
    t.same([code, out], [2, ''], args.join(' '))
    t.match(err, says)
    t.notMatch(err, /canary/)
  }
})

t.test('without a terminal it asks nothing, so it needs --yes', async t => {
  const { code, err } = await run(['probe'], { env })
  t.equal(code, 2)
  t.match(err, /: the probe asks before each experiment that may cost something: run it on a terminal, or give --yes for no questions\.\n$/)
})

t.test('a port that is taken is named', async t => {
  const server = createServer().listen(0, 'localhost')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const { code, err } = await run(['probe', '--port', String(port), '--out', join(t.testdir({}), 'report.json')], { isTerminal: true, env })
  t.equal(code, 2)
  t.match(err, new RegExp(`port ${port} cannot be used, choose another with --port: listen EADDRINUSE`))
})

t.test('the settings are the sandbox\'s, all experiments, and port 3000, unless something else is given', async t => {
  t.match(await readSettings([], names, { ...terminal, env }), {
    app: { environment: { name: 'sandbox', api: 'https://apisandbox.dev.clover.com' }, appId: 'SIMULATORAPP1', appSecret: 'canary', flow: 'v2' },
    port: 3000,
    baseUrl: undefined,
    merchant: undefined,
    legacyToken: undefined,
    chosen: new Set(names),
    out: undefined,
    yes: false,
    json: false
  })
  const args = ['--app-id', 'ANOTHERAPP001', '--environment', 'europe', '--i-may-disconnect-real-merchants', '--base-url', 'https://probe.example', '--only', 'cap,recovery', '--skip', 'cap', '--yes', '--json']
  t.match(await readSettings(args, names, { isTerminal: false, env: { ...env, CLOVER_APP_SECRET: '', CLOVER_LEGACY_TOKEN: 'legacy' } }), {
    app: { environment: { name: 'europe' }, appId: 'ANOTHERAPP001', appSecret: false }, baseUrl: 'https://probe.example', legacyToken: 'legacy', chosen: new Set(['recovery']), yes: true, json: true
  })
})
