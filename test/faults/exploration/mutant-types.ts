import { join } from 'node:path'
import ts from 'typescript'
import { mutated, sourceOf } from './mutant-sources.js'
import type { Mutant } from './mutants.js'

const root = join(import.meta.dirname, '../../..')

/** Diagnostics that a rule left out brings with it: something is declared and not used, or a place is never reached. */
const harmless = new Set([6133, 6192, 6196, 6198, 7027])

/**
 * What the compiler says of each mutant, for those of which it says something: one that throws a TypeError would count as seen, whatever it leaves out.
 * Each mutant is a file of its own beside the sources, so the compiler looks at all of them at once.
 */
export function checkTypes (mutants: readonly Mutant[]): Array<{ rule: string, errors: string[] }> {
  const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config, ts.sys, root)
  const host = ts.createCompilerHost(options)
  const texts = new Map(mutants.map((mutant, index) => {
    const path = sourceOf(mutant)
    return [path.replace(/\.ts$/, `.mutant-${index}.ts`), mutated(mutant, host.readFile(path) ?? '')]
  }))
  const program = ts.createProgram([...texts.keys()], options, {
    ...host,
    fileExists: path => texts.has(path) || host.fileExists(path),
    getSourceFile: (path, languageVersion) => {
      const text = texts.get(path)
      return text === undefined ? host.getSourceFile(path, languageVersion) : ts.createSourceFile(path, text, languageVersion)
    }
  })
  return [...texts.keys()].flatMap((path, index) => {
    const errors = program.getSemanticDiagnostics(program.getSourceFile(path))
      .filter(({ code, category }) => category === ts.DiagnosticCategory.Error && !harmless.has(code))
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '))
    return errors.length > 0 ? [{ rule: String(mutants[index]?.rule), errors }] : []
  })
}
