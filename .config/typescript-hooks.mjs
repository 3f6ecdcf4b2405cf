import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/*
 * Lets Node run the TypeScript of the tests, and keeps what it was compiled to. Each test file runs in a process of its own, which loads most of the
 * sources: compiling them there each time took longer than the tests themselves. The output is the compiler's, line by line, so the coverage is right.
 */

const cache = new URL('../node_modules/.cache/fastify-clover/', import.meta.url)
const { version } = JSON.parse(await readFile(new URL('../node_modules/typescript/package.json', import.meta.url), 'utf8'))

/** Files of this project only; a path that ends with .js may be that of a .ts. And what follows uncaught errors for tap. */
export async function resolve (specifier, context, next) {
  if (specifier === 'async-hook-domain') return next(new URL('./tap-domain.mjs', import.meta.url).href, context)
  const isOwn = context.parentURL !== undefined && /\.[cm]?ts(?:\?|$)/.test(context.parentURL)
  const { paths } = isOwn ? await settings() : { paths: {} }
  const [own] = paths[specifier] ?? []
  if (own !== undefined) return next(new URL(`../${own}`, import.meta.url).href, context)
  if (isOwn && /^\.{1,2}\/.*\.js$/.test(specifier)) {
    try {
      return await next(specifier.replace(/js$/, 'ts'), context)
    } catch (error) {
      if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
    }
  }
  return next(specifier, context)
}

export async function load (url, context, next) {
  if (!url.startsWith('file:') || !/\.ts$/.test(new URL(url).pathname)) return next(url, context)
  const source = await compiled(fileURLToPath(url))
  return { format: 'module', source: new URL(url).search === '?together' ? withOwnTest(source) : source, shortCircuit: true }
}

/** A test file that runs beside others in one process (`test/harness/together.ts`) gets a test of its own in place of tap's root test. */
function withOwnTest (source) {
  return source.replace(/^import t(?:, (\{.*\}))? from 'tap';?$/m, (_import, others = '{}') => `import ${others} from 'tap'; const t = globalThis.testOfFile`)
}

async function compiled (path) {
  const text = await readFile(path, 'utf8')
  const key = createHash('sha256').update(`${version}\n${path}\n${text}`).digest('hex')
  const file = new URL(`${key}.js`, cache)
  try {
    return await readFile(file, 'utf8')
  } catch {
    const source = await compile(path, text)
    await mkdir(cache, { recursive: true })
    // Other processes write the same: each its own file, put in place at once.
    const own = new URL(`${key}.${process.pid}`, cache)
    await writeFile(own, source)
    await rename(own, file)
    return source
  }
}

async function compile (path, text) {
  const { default: ts } = await import('typescript')
  const { outputText } = ts.transpileModule(text, {
    fileName: path,
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true, isolatedModules: true, inlineSourceMap: true, inlineSources: true }
  })
  return outputText
}

let read
/** `paths` of tsconfig.json. */
function settings () {
  read ??= readFile(new URL('../tsconfig.json', import.meta.url), 'utf8').then(text => JSON.parse(text).compilerOptions)
  return read
}
