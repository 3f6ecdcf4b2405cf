import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

/*
 * The package as a stranger gets it: packed, installed into an empty project, and used there. `npm test` builds it first.
 */

const run = promisify(execFile)
const root = process.cwd()
const npm = (args: string[], cwd: string) => run('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd, timeout: 110_000, shell: process.platform === 'win32' })

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

t.test('the packed package works in an empty project, from ESM and by require', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'fastify-clover-package-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await npm(['pack', '--ignore-scripts', '--pack-destination', folder], root)
  const tarball = (await readdir(folder)).find(name => name.endsWith('.tgz'))
  const project = join(folder, 'project')
  await mkdir(project)
  await writeFile(join(project, 'package.json'), '{ "name": "stranger", "private": true }')
  const fastify = JSON.parse(await readFile('node_modules/fastify/package.json', 'utf8')).version
  await npm(['install', '--prefer-offline', join(folder, String(tarball)), `fastify@${fastify}`], project)
  for (const [name, code] of Object.entries(hosts)) await writeFile(join(project, name), code)

  const start = async (name: string) => {
    const { stdout, stderr } = await run(process.execPath, [name], { cwd: project, timeout: 30_000 })
    t.equal(stderr, '', `${name} prints no warning`)
    return JSON.parse(stdout)
  }
  t.same(await start('host.mjs'), expected)
  t.same(await start('host.cjs'), expected)
  t.same(await start('whole-module.cjs'), expected, 'app.register(require("fastify-clover")) works as well')
  t.same(await start('simulator.mjs'), { status: 401, conformance: 'function' })

  await t.test('its types serve a strict TypeScript host, with every library checked', async t => {
    await cp('test/package/host.ts.txt', join(project, 'host.mts'))
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify({
      compilerOptions: {
        target: 'ES2022', module: 'NodeNext', strict: true, noEmit: true, exactOptionalPropertyTypes: true, types: ['node'], typeRoots: [join(root, 'node_modules/@types')]
      },
      include: ['host.mts']
    }))
    const { stdout } = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], { cwd: project }).catch(error => error)
    t.equal(stdout, '')
  })

  await t.test('it holds what a host needs and nothing else', async t => {
    const { stdout } = await run('tar', ['-tzf', join(folder, String(tarball))])
    const files = stdout.trim().split('\n').map(name => name.replace('package/', ''))
    for (const file of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'dist/index.js', 'dist/index.d.ts', 'dist/storage/index.js', 'dist/testing/index.js']) {
      t.ok(files.includes(file), file)
    }
    t.same(files.filter(file => !/^(dist\/.+\.(js|d\.ts)|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/.test(file)), [])
  })
})
