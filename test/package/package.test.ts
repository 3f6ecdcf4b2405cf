import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import ts from 'typescript'
import { cloverSimulator } from '../../src/testing/index.js'
import { buildTypes } from '../harness/types.js'

/*
 * The package as a stranger gets it: packed, installed into an empty project, and used there. `npm test` builds what runs of it first.
 */

const run = promisify(execFile)
const root = process.cwd()
// Without tap's loader, which a stranger does not have.
// The last two are those of an npx that this was started by: npx would run its command once more.
const { NODE_OPTIONS, NODE_V8_COVERAGE, npm_config_package: packages, npm_config_call: call, ...env } = process.env
const npm = (args: string[], cwd: string) => run('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd, env, timeout: 110_000, shell: process.platform === 'win32' })

/** A host in ten lines, without anything but the package and Fastify. */
const host = `
const app = Fastify()
await app.register(clover, {
  environment: 'sandbox', appId: 'ABCDEFGHJKLMN', appSecret: 'a secret', storage: memoryStorage(),
  cookieSecret: 'x'.repeat(32), baseUrl: 'https://shop.example', routes: { refresh: false }
})
app.get('/token', request => request.clover.accessToken('MERCHANT00001'))
const launch = await app.inject('/clover/launch?merchant_id=MERCHANT00001')
const token = await app.inject('/token')
console.log(JSON.stringify({ launch: launch.statusCode, to: launch.headers.location.split('?')[0], token: token.json().code }))
await app.close()
`
const expected = { launch: 302, to: 'https://sandbox.dev.clover.com/oauth/v2/authorize', token: 'FST_CLOVER_NOT_CONNECTED' }

const hosts = {
  'host.mjs': `
    import Fastify from 'fastify'
    import clover from 'fastify-clover'
    import { memoryStorage } from 'fastify-clover/storage'
    ${host}`,
  'host.cjs': `
    const Fastify = require('fastify')
    const { default: clover } = require('fastify-clover')
    const { memoryStorage } = require('fastify-clover/storage')
    async function main () { ${host} }
    main()`,
  'whole-module.cjs': `
    const Fastify = require('fastify')
    const clover = require('fastify-clover')
    const { memoryStorage } = require('fastify-clover/storage')
    async function main () { ${host} }
    main()`,
  'simulator.mjs': `
    import { cloverSimulator, storageConformance } from 'fastify-clover/testing'
    const simulator = await cloverSimulator()
    const reply = await fetch(simulator.origin + '/v3/merchants/MERCHANT00001', { headers: { 'user-agent': 'test/1.0' } })
    console.log(JSON.stringify({ status: reply.status, conformance: typeof storageConformance }))
    await simulator.close()`
}

/** An app for the command line, whose Clover is at the address in the environment. */
const app = `
import clover from 'fastify-clover'
import { memoryStorage } from 'fastify-clover/storage'

export default async function (fastify) {
  const { environment, appId, appSecret } = JSON.parse(process.env.TEST_APP)
  await fastify.register(clover, { environment, appId, appSecret, storage: memoryStorage(), routes: false })
}`

const common = { target: 'ES2022', lib: ['ES2023'], strict: true, skipLibCheck: false, exactOptionalPropertyTypes: true, types: ['node'] }

/** How TypeScript hosts are set up, and the files of each. The last finds types as TypeScript did before packages had `exports`. */
const kinds = {
  nodenext: { files: ['host.mts', 'host.cts', 'require.cts'], settings: { module: 'nodenext' } },
  bundler: { files: ['host.mts'], settings: { module: 'esnext', moduleResolution: 'bundler' } },
  node10: { files: ['host.cts'], settings: { module: 'commonjs', moduleResolution: 'node10', esModuleInterop: true } }
}

const answers = { launch: 302, orders: 'FST_CLOVER_NOT_CONNECTED', isOurs: false, conformance: true }

t.test('the packed package works in an empty project, from ESM and by require', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'fastify-clover-package-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await buildTypes()
  await npm(['pack', '--ignore-scripts', '--pack-destination', folder], root)
  const tarball = (await readdir(folder)).find(name => name.endsWith('.tgz'))
  const project = join(folder, 'project')
  await mkdir(project)
  await writeFile(join(project, 'package.json'), '{ "name": "stranger", "private": true }')
  const fastify = JSON.parse(await readFile('node_modules/fastify/package.json', 'utf8')).version
  await npm(['install', '--prefer-offline', join(folder, String(tarball)), `fastify@${fastify}`], project)
  for (const [name, code] of Object.entries(hosts)) await writeFile(join(project, name), code)

  const start = async (name: string) => {
    const { stdout, stderr } = await run(process.execPath, [name], { cwd: project, env, timeout: 30_000 })
    t.equal(stderr, '', `${name} prints no warning`)
    return JSON.parse(stdout)
  }
  t.same(await start('host.mjs'), expected)
  t.same(await start('host.cjs'), expected)
  t.same(await start('whole-module.cjs'), expected, 'app.register(require("fastify-clover")) works as well')
  t.same(await start('simulator.mjs'), { status: 401, conformance: 'function' })

  await t.test('its command line runs', async t => {
    const simulator = await cloverSimulator()
    t.teardown(() => simulator.close())
    const [{ id: appId, secret: appSecret }] = simulator.apps
    const merchants = simulator.addMerchants(3)
    await writeFile(join(project, 'app.mjs'), app)
    await writeFile(join(project, 'legacy.csv'), ['merchantId,legacyToken', ...merchants.map(merchantId => `${merchantId},${simulator.legacyToken({ merchantId })}`)].join('\n'))
    const command = async (...args: string[]) => {
      const { code = 0, stdout, stderr } = await run(join(project, 'node_modules/.bin/fastify-clover'), args, { cwd: project, env: { ...env, TEST_APP: JSON.stringify({ environment: simulator.environment, appId, appSecret }) }, timeout: 60_000, shell: process.platform === 'win32' }).catch(error => error)
      t.equal(stderr, '', `${args.join(' ')} prints no warning`)
      return { code, last: stdout.trim().split('\n').at(-1) }
    }
    const { version } = JSON.parse(await readFile('package.json', 'utf8'))
    t.same(await command('--version'), { code: 0, last: version })
    t.equal((await run('npx', ['--no-install', 'fastify-clover', '--version'], { cwd: project, env, timeout: 60_000, shell: process.platform === 'win32' })).stdout.trim(), version, 'npx finds it too')
    const pass = await command('keep-alive', 'app.mjs')
    t.match([pass.code, JSON.parse(pass.last)], [0, { type: 'summary', due: 0, isComplete: true }])
    const moved = await command('migrate', 'app.mjs', 'legacy.csv', '--rate', '1000')
    t.match([moved.code, JSON.parse(moved.last)], [0, { type: 'summary', total: 3, migrated: 3 }])
    const counted = await command('status', 'app.mjs', '--json')
    t.match([counted.code, JSON.parse(counted.last)], [0, { merchants: 0, connected: 0 }])
    t.match(await command('doctor', 'app.mjs'), { code: 0, last: /^0 errors, \d+ warnings, \d+ ok, \d+ not checked$/ })
  })

  await t.test('its types serve strict TypeScript hosts of each kind, with every library checked, and what they compile to runs', async t => {
    for (const [name, { files, settings }] of Object.entries(kinds)) {
      const place = join(project, name)
      await mkdir(place)
      for (const file of files) await cp(`test/package/${file.startsWith('host') ? 'host' : 'require'}.ts.txt`, join(place, file))
      const compilerOptions = { ...common, typeRoots: [join(root, 'node_modules/@types')], ...settings }
      const { options, errors } = ts.convertCompilerOptionsFromJson(compilerOptions, place)
      const program = ts.createProgram(files.map(file => join(place, file)), options)
      const checked = program.getSourceFiles()
      t.ok(checked.some(({ fileName }) => fileName.endsWith('/node_modules/fastify-clover/dist/index.d.ts')))
      const wrong = [...errors, ...program.getOptionsDiagnostics(), ...program.getGlobalDiagnostics(), ...checked.flatMap(file => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)])]
      t.equal(ts.formatDiagnostics(wrong, { getCurrentDirectory: () => place, getCanonicalFileName: name => name, getNewLine: () => '\n' }), '', `${name} compiles`)
      // One by one: before it emits all at once, the compiler checks all that there is.
      for (const file of files) program.emit(program.getSourceFile(join(place, file)))
      for (const file of files) {
        const compiled = join(name, file.replace(/ts$/, 'js'))
        t.same(await start(compiled), compiled.endsWith('require.cjs') ? { ready: true, fetch: 'function' } : answers, `${compiled} runs`)
      }
    }
  })

  await t.test('it holds what a host needs and nothing else', async t => {
    const { stdout } = await run('tar', ['-tzf', join(folder, String(tarball))])
    const files = stdout.trim().split('\n').map(name => name.replace('package/', ''))
    for (const file of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js', 'dist/storage/index.js', 'dist/testing/index.js', 'example/grafana.json', 'example/hosts/schema.prisma']) {
      t.ok(files.includes(file), file)
    }
    // The page about the sources is for a clone, as the tests' is.
    const guides = (await readFile('README.md', 'utf8')).matchAll(/\]\((src\/[^)#]+\/[^)#]+)/g)
    for (const [, guide] of guides) t.ok(files.includes(String(guide)), String(guide))
    const code = await Promise.all(files.filter(file => file.endsWith('.js')).map(file => readFile(join(project, 'node_modules/fastify-clover', file), 'utf8')))
    t.notOk(code.some(text => /(?:from|import\() ?["'](?:@sinclair|@fastify\/type-provider)/.test(text)), 'what runs has its part of TypeBox within, and loads no other')
    t.match(code.find(text => text.includes('Haydn Paterson')), 'The above copyright notice', 'with its licence')
    t.same(files.filter(file => !/^(dist\/.+\.(js|d\.ts)|package\.json|(src\/\w+\/)?README\.md|LICENSE|CHANGELOG\.md|example\/grafana\.json|example\/hosts\/schema\.prisma)$/.test(file)), [])
  })
})
