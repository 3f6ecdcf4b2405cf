import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import ts from 'typescript'
import type { TokenModules } from './modules.js'
import type { Mutant } from './mutants.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const sourceFolder = new URL('src/tokens/', pathToFileURL(root))

/** The text of a source with the mutation. */
function mutated ({ file, from, to }: Mutant, source: string): string {
  const places = source.split(from).length - 1
  if (places !== 1) throw new Error(`${file} has ${places} places, and not one, with: ${from}`)
  return source.replace(from, () => to)
}

/** Loads src/tokens with one mutation, from copies written into a folder inside the project. */
export async function loadMutant (mutant: Mutant, folder: string): Promise<TokenModules> {
  for (const name of await readdir(sourceFolder)) {
    const original = await readFile(new URL(name, sourceFolder), 'utf8')
    const source = name === mutant.file ? mutated(mutant, original) : original
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }
    })
    // What is not mutated comes from the sources themselves.
    const linked = outputText.replace(/from '(\.\.\/[^']+)\.js'/g, (_match, path: string) => `from '${new URL(`${path}.ts`, sourceFolder).href}'`)
    await writeFile(join(folder, name.replace(/\.ts$/, '.js')), linked)
  }
  const load = async (name: string) => await import(pathToFileURL(join(folder, `${name}.js`)).href)
  const parts = ['create-tokens', 'record']
  return Object.assign({}, ...await Promise.all(parts.map(load))) as TokenModules
}

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
    const path = fileURLToPath(new URL(mutant.file, sourceFolder))
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
