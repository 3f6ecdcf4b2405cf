import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

/*
 * Builds tap without its loader for TypeScript, which this project has its own of (`typescript.mjs`), and without mocks of modules, which no test uses and
 * which would load tap before `tap-domain.mjs` is in place. tap does so by itself when it starts, but the tests
 * of that run still get the loader. A build takes some ten seconds, so it is made only where tap is as it was installed.
 */

const test = new URL('../node_modules/@tapjs/test/test-built/dist/esm/index.js', import.meta.url)
if (!existsSync(test)) {
  console.error('The tests are not installed: npm start installs the example only. Run npm ci, and then this command again.')
  process.exitCode = 1
} else if (readFileSync(test, 'utf8').includes('@tapjs/mock')) {
  const { status, error } = spawnSync('tap', ['build'], { stdio: ['ignore', 'ignore', 'inherit'], shell: process.platform === 'win32' })
  if (error) console.error(`tap could not be started: ${error.message}`)
  process.exitCode = status ?? 1
}
