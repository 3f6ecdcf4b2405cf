import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { CloverDataOptions } from '../../src/options.js'
import { errorCodes } from '../../src/errors.js'

const readme = await readFile('README.md', 'utf8')

t.test('the README shows code that is run or type-checked here', async t => {
  const shown = [...readme.matchAll(/<!-- (\S+) -->\n```\w+\n([^]*?)```\n/g)]
  t.equal(shown.length, 4)
  for (const [, file, code] of shown) t.equal(code, await readFile(String(file), 'utf8'), String(file))
})

t.test('the first block of the README runs as it is', async t => {
  const folder = await mkdtemp(join(process.cwd(), '.readme-')) // inside, where the package finds itself by its name
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const code = await readFile('test/readme/server.mjs', 'utf8')
  const anyPort = code.replace('await app.listen({ port: 3000 })', 'process.send(await app.listen({ port: 0 }))')
  t.not(anyPort, code)
  await writeFile(join(folder, 'server.mjs'), anyPort)
  const server = spawn(process.execPath, [join(folder, 'server.mjs')], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], env: { PATH: process.env.PATH } })
  t.teardown(() => server.kill())
  const [address] = await once(server, 'message')

  const launch = await fetch(`${address}/clover/launch`, { redirect: 'manual' })
  t.equal(launch.status, 302)
  const authorize = await fetch(String(launch.headers.get('location')))
  t.equal(authorize.status, 200)
  t.match(await authorize.text(), /<form|<a /)
  t.equal((await fetch(`${address}/orders`, { redirect: 'manual' })).headers.get('location'), '/clover/launch', 'nobody is connected yet')
})

t.test('the README names every option and every error', async t => {
  for (const name of [...Object.keys(CloverDataOptions.properties), 'storage', 'routes', 'onConnect', 'onError', 'onReauthorizationRequired', 'onDisconnect']) {
    t.match(readme, `| \`${name}\` |`, name)
  }
  for (const code of Object.keys(errorCodes)) t.match(readme, `| \`${code}\` |`, code)
})
