import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { context } from 'esbuild'
import type { Mutant } from './mutants.js'

const root = join(import.meta.dirname, '../../..')

/** The path of the source that a mutant changes. */
export function sourceOf ({ file }: Mutant): string {
  return join(root, 'src/tokens', file)
}

/** The text of a source with the mutation. */
export function mutated ({ file, from, to }: Mutant, source: string): string {
  const places = source.split(from).length - 1
  if (places !== 1) throw new Error(`${file} has ${places} places, and not one, with: ${from}`)
  return source.replace(from, () => to)
}

/**
 * Compiles src/tokens with one mutation at a time, each into one file of a folder inside the project.
 *
 * @returns the path of each compiled file, in the same order
 */
export async function compileMutants (mutants: readonly Mutant[], folder: string): Promise<string[]> {
  let current: Mutant | undefined
  // What does not change from one mutant to the next is read and parsed once.
  const build = await context({
    absWorkingDir: root,
    entryPoints: ['test/faults/exploration/modules.ts'],
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    outdir: folder,
    write: false,
    logLevel: 'error',
    plugins: [{
      name: 'mutation',
      setup ({ onLoad }) {
        onLoad({ filter: /src[\\/]tokens[\\/][^\\/]+\.ts$/ }, async ({ path }) => {
          const source = await readFile(path, 'utf8')
          return { loader: 'ts', contents: current && path === sourceOf(current) ? mutated(current, source) : source }
        })
      }
    }]
  })
  const files: string[] = []
  for (const mutant of mutants) {
    current = mutant
    const { outputFiles } = await build.rebuild()
    const file = join(folder, `mutant-${files.length}.mjs`)
    await writeFile(file, outputFiles[0]?.contents ?? '')
    files.push(file)
  }
  await build.dispose()
  return files
}
