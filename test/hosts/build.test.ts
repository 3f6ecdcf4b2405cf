import { execFile } from 'node:child_process'
import { cp, readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const run = promisify(execFile)

t.test('a clone that was never built is, for npm start and npm test: without types, and again', async t => {
  const clone = t.testdir()
  for (const part of ['.config', 'package.json', 'src', 'tsconfig.json']) await cp(part, join(clone, part), { recursive: true })
  await symlink(join(process.cwd(), 'node_modules'), join(clone, 'node_modules'))
  const build = async () => await run(process.execPath, ['.config/build.mjs', '--no-types'], { cwd: clone, env: { PATH: process.env.PATH, _TAPJS_PROCESSINFO_COVERAGE_: '0' } })
  await build()
  const files = (await readdir(join(clone, 'dist'), { recursive: true })).sort()
  t.ok(['index.js', 'schemas.js', join('storage', 'index.js'), join('testing', 'index.js'), join('cli', 'main.js')].every(file => files.includes(file)))
  await build()
  t.same((await readdir(join(clone, 'dist'), { recursive: true })).sort(), files, 'what an earlier build has left is gone')
  const { stdout } = await run(process.execPath, ['-e', 'import("fastify-clover").then(({ default: plugin }) => console.log(typeof plugin))'], { cwd: clone })
  t.equal(stdout, 'function\n')
})
