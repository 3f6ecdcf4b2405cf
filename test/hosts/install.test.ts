import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import t, { type Test } from 'tap'

/* What `npm start` installs in a clone where nothing is installed, and where it installs nothing. The npm that it calls is the test's. */

type Packages = Record<string, string>
const own = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: Packages, devDependencies: Packages }
const needed = (JSON.parse(readFileSync('.config/example/package.json', 'utf8')) as { dependencies: Packages }).dependencies

t.test('what the example imports is installed for it, in the version that the tests have', async t => {
  const files = readdirSync('example', { recursive: true, encoding: 'utf8' })
    .filter(file => /\.m?ts$|\.mjs$/.test(file) && !/^(?:hosts|data)\b/.test(file)).map(file => join('example', file))
  t.ok(files.length > 30)
  const imported = [...files, '.config/build.mjs'].flatMap(file => {
    const text = readFileSync(file, 'utf8')
    return [...text.matchAll(/^(?:import|export) .*?from '([^.'][^']*)'|\bimport\('([^.'][^']*)'\)/gm)].map(([, from, later]) => String(from ?? later))
  }).filter(name => !/^(?:node:|fastify-clover)/.test(name)).map(name => /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name)
  t.ok(imported.includes('esbuild') && imported.includes('@photostructure/sqlite'))
  t.same(imported.filter(name => !(name in needed) && !(name in own.dependencies)), [])
  t.same(Object.keys(needed).filter(name => name !== 'tsx' && !imported.includes(name)), [], 'and nothing else')
  t.match(own.devDependencies, needed)
})

/** Runs the script in a clone with some of `node_modules`; undefined: it has no such folder. Resolves with what npm was called with. */
function install (t: Test, installed: string[] | undefined, { exitCode = 0, hasFinished = true } = {}) {
  const clone = t.testdir({ bin: {} })
  for (const part of ['example/install.mjs', '.config/example']) cpSync(part, join(clone, part), { recursive: true })
  for (const name of installed ?? []) mkdirSync(join(clone, 'node_modules', name), { recursive: true })
  if (hasFinished && installed) writeFileSync(join(clone, 'node_modules/.package-lock.json'), '{}')
  writeFileSync(join(clone, 'bin/npm'), `#!/bin/sh\necho "npm $* in $PWD"\nexit ${exitCode}\n`, { mode: 0o755 })
  const PATH = [join(clone, 'bin'), String(process.env.PATH)].join(delimiter)
  const { status, stdout, stderr } = spawnSync(process.execPath, ['example/install.mjs'], { cwd: clone, env: { PATH, _TAPJS_PROCESSINFO_COVERAGE_: '0' }, encoding: 'utf8' })
  return { status, printed: stdout.replaceAll(clone, 'the clone'), stderr }
}

t.test('npm start installs it in a clone where nothing is installed, and ends where that fails', async t => {
  const command = 'npm ci --workspace=.config/example --include-workspace-root --omit=dev --no-audit --no-fund --loglevel=error'
  const printed = `Installing what the example needs ...\n${command} in the clone\n`
  t.same(install(t, undefined), { status: 0, printed, stderr: '' })
  t.same(install(t, undefined, { exitCode: 7 }), { status: 7, printed, stderr: '' })
})

t.test('it installs nothing where the packages are there, and over others neither', async t => {
  const names = Object.keys(needed)
  t.same(install(t, [...names, 'tap']), { status: 0, printed: '', stderr: '' })
  t.same(install(t, names, { hasFinished: false }), {
    status: 1, printed: '', stderr: 'An installation has not finished. Wait for it, or run npm ci; and then this command again.\n'
  }, 'npm makes all folders before it fills them')
  t.same(install(t, names.filter(name => name !== 'tsx' && name !== 'esbuild')), {
    status: 1, printed: '', stderr: 'Packages are missing in node_modules: esbuild, tsx. Run npm ci, and then this command again.\n'
  })
})

t.test('npm test says what to do in a clone where only the example is installed', async t => {
  const clone = t.testdir({ node_modules: {} })
  cpSync('.config/tap-plugins.mjs', join(clone, '.config/tap-plugins.mjs'))
  const { status, stderr } = spawnSync(process.execPath, ['.config/tap-plugins.mjs'], { cwd: clone, env: { PATH: process.env.PATH, _TAPJS_PROCESSINFO_COVERAGE_: '0' }, encoding: 'utf8' })
  t.equal(status, 1)
  t.equal(stderr, 'The tests are not installed: npm start installs the example only. Run npm ci, and then this command again.\n')
})
