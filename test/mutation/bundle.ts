import { readFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { build } from 'esbuild'
import { versionModule } from '../harness/bundle.js'
import { instrument, type Mutant } from './mutants.js'

export const project = join(import.meta.dirname, '../..')

/** Reads a source file and makes its mutants; the first has the number `firstId`. */
export async function load (file: string, firstId: number) {
  return { file, ...instrument(file, await readFile(join(project, file), 'utf8'), firstId) }
}

/**
 * Compiles test files, the sources that they use (those in `instrumented` with all their mutants) and the processes that run them into a
 * folder. Packages stay outside. Returns where each test file went.
 */
export async function bundle (tests: string[], instrumented: Array<{ file: string, code: string, mutants: Mutant[] }>, folder: string): Promise<Map<string, string>> {
  const codes = new Map(instrumented.map(({ file, code }) => [file, code]))
  const runners = ['test/mutation/child.ts', 'test/mutation/sweeper.ts']
  await build({
    absWorkingDir: project,
    entryPoints: [...tests, ...runners],
    outdir: folder,
    outbase: project,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    outExtension: { '.js': '.mjs' },
    chunkNames: 'chunks/[hash]',
    logLevel: 'error',
    plugins: [{
      name: 'mutants',
      setup ({ onLoad }) {
        onLoad({ filter: /\.ts$/, namespace: 'file' }, async ({ path }) => {
          const file = relative(project, path).split(sep).join('/')
          if (file === 'src/version.ts') return { contents: versionModule(), loader: 'ts' }
          const contents = codes.get(file) ?? await readFile(path, 'utf8')
          const isTest = file.endsWith('.test.ts')
          return { contents: isTest ? contents.replace(/^import t(?:, (\{.*\}))? from 'tap'$/m, withOwnTest) : contents, loader: 'ts' }
        })
      }
    }]
  })
  return new Map([...tests, ...runners].map(file => [file, join(folder, file.replace(/\.ts$/, '.mjs'))]))
}

function withOwnTest (_match: string, others?: string): string {
  return `${others === undefined ? '' : `import ${others} from 'tap'; `}const t = globalThis.testOfFile`
}
