import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** Runs npm without what it says besides. */
export const npm = (args, cwd) => execute('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd, shell: process.platform === 'win32' })

/** Packs the package as it was built, and resolves with the file. */
export async function pack (root, folder) {
  const { stdout } = await npm(['pack', '--ignore-scripts', '--json', '--pack-destination', folder], root)
  return join(folder, JSON.parse(stdout)[0].filename)
}

/** Installs packages into an empty project, and resolves with its folder. */
export async function install (home, packages) {
  await mkdir(home)
  await writeFile(join(home, 'package.json'), '{ "private": true, "type": "module" }')
  await npm(['install', '--prefer-offline', ...packages], home)
  return home
}

/**
 * Runs scripts in turn, each time in a fresh process, and resolves with what each printed as JSON. The first round, which reads the files from disk,
 * is left out.
 *
 * @param scripts by name: `home`, `file`, and arguments
 */
export async function startInTurns (scripts, rounds, progress) {
  const printed = Object.fromEntries(Object.keys(scripts).map(name => [name, []]))
  for (let round = -1; round < rounds; round++) {
    const order = round % 2 === 0 ? Object.keys(scripts) : Object.keys(scripts).reverse()
    for (const name of order) {
      const { home, file, args = [] } = scripts[name]
      const { stdout } = await execute(process.execPath, ['--disable-warning=ExperimentalWarning', file, ...args], { cwd: home })
      if (round >= 0) printed[name].push(JSON.parse(stdout))
    }
    if ((round + 1) % 5 === 0) progress(`${round + 1} of ${rounds} starts`)
  }
  return printed
}
