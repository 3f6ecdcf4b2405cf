/*
 * Before `npm start`, in a clone where nothing is installed: installs what the example needs, a tenth of what the tests need. A folder that is there is
 * not changed, since it may be that of the tests.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const installed = join(root, 'node_modules')
const { dependencies } = JSON.parse(readFileSync(join(root, '.config/example/package.json'), 'utf8'))
/** What npm, pnpm and yarn write when they have finished. */
const ends = ['.package-lock.json', '.modules.yaml', '.yarn-integrity', '.yarn-state.yml']
const missing = Object.keys(dependencies).filter(name => !existsSync(join(installed, name)))

if (!existsSync(installed)) {
  console.log('Installing what the example needs ...')
  const { status } = spawnSync('npm', ['ci', '--workspace=.config/example', '--include-workspace-root', '--omit=dev', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root, stdio: ['ignore', 'inherit', 'inherit'], shell: process.platform === 'win32'
  })
  process.exitCode = status ?? 1
} else if (missing.length > 0) {
  console.error(`Packages are missing in node_modules: ${missing.join(', ')}. Run npm ci, and then this command again.`)
  process.exitCode = 1
} else if (!ends.some(name => existsSync(join(installed, name)))) {
  console.error('An installation has not finished. Wait for it, or run npm ci; and then this command again.')
  process.exitCode = 1
}
