import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/*
 * Builds tap without its loader for TypeScript, which this project has its own of (`typescript.mjs`). tap does so by itself when it starts, but the tests
 * of that run still get the loader. A build takes some ten seconds, so it is made only where tap is as it was installed.
 */

const built = readFileSync(new URL('../node_modules/@tapjs/test/test-built/dist/esm/index.js', import.meta.url), 'utf8')
if (built.includes('@tapjs/typescript')) {
  const { status } = spawnSync('npx', ['tap', 'build'], { stdio: ['ignore', 'ignore', 'inherit'], shell: process.platform === 'win32' })
  process.exitCode = status ?? 1
}
