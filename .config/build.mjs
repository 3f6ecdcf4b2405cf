import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'

/*
 * Makes `dist`. Node takes longer to find and to link a file than to run what is in it, and the sources and TypeBox have 400. So the sources become a
 * module for each entry and a few that entries share, without comments; and what they use of TypeBox becomes one. The types of TypeBox stay in the
 * dependency.
 *
 * --no-types: only what runs, which takes a moment; --types-only: only the types, beside what is there, and without a check of the sources, which is what
 * most of the time goes to; --sourceMap: maps to the sources, which are not published.
 */

const { values: flags } = parseArgs({ options: { 'no-types': { type: 'boolean' }, 'types-only': { type: 'boolean' }, sourceMap: { type: 'boolean' } } })
const root = resolve(import.meta.dirname, '..')
const [src, dist] = [join(root, 'src'), join(root, 'dist')]
const { version } = createRequire(import.meta.url)('../package.json')
const common = { bundle: true, format: 'esm', platform: 'node', target: 'node20.19', write: false, logLevel: 'warning' }

const filesOf = (folder, end) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith(end)).map(file => join(folder, file))
const sources = filesOf(src, '.ts').map(file => readFileSync(file, 'utf8')).join('\n')

/** TypeBox and its provider for Fastify. */
const schemas = /^@(?:sinclair\/typebox|fastify\/type-provider-typebox)/

/** Stands for the module of them, until it is known which file imports it. */
const placeholder = 'the module schemas.js'

/** The part of both that the sources use, as one module. */
async function schemasModule () {
  const imports = [...sources.matchAll(/^import \{([^}]+)\} from '([^']+)'/gm)].filter(([, , from]) => schemas.test(from))
  const provider = readFileSync(join(root, 'node_modules/@fastify/type-provider-typebox/dist/esm/index.mjs'), 'utf8')
  const contents = imports.flatMap(([, names, from]) => names.split(',').map(name => name.trim()).filter(name => !name.startsWith('type ')).map(name => `export { ${name} } from '${from}'`))
  const { outputFiles: [file] } = await build({
    ...common,
    stdin: { contents: [...new Set(contents)].join('\n'), resolveDir: root },
    minify: true,
    legalComments: 'none',
    banner: { js: `/*!\n${['@sinclair/typebox/license', '@fastify/type-provider-typebox/LICENSE'].map(name => readFileSync(join(root, 'node_modules', name), 'utf8').trim()).join('\n\n')}\n*/` },
    plugins: [narrow('Type', sources), narrow('Value', sources + provider)]
  })
  return file.text
}

/** Leaves of an object of TypeBox, which has a function for each kind of type or each thing to do with a value, what a text uses of it. */
function narrow (name, text) {
  const members = [...new Set([...text.matchAll(RegExp(`\\b${name}\\.([A-Z]\\w+)`, 'g'))].map(([, member]) => member))]
  const folder = name.toLowerCase()
  return {
    name: `narrow ${name}`,
    setup ({ onLoad }) {
      onLoad({ filter: RegExp(`[\\\\/]esm[\\\\/]${folder}[\\\\/]${folder}[\\\\/]index\\.mjs$`) }, () => ({
        contents: `import * as all from './${folder}.mjs'\nexport const ${name} = { ${members.map(member => `${member}: all.${member}`).join(', ')} }`
      }))
    }
  }
}

/** The sources, as the modules that are to be written. */
async function ownModules () {
  const { outputFiles } = await build({
    ...common,
    // The benchmarks start a host with made-up time, by a symbol of plugin.ts that is not published otherwise.
    entryPoints: ['index.ts', 'storage/index.ts', 'testing/index.ts', 'cli/main.ts', 'plugin.ts'].map(entry => join(src, entry)),
    outdir: dist,
    tsconfig: join(src, 'tsconfig.json'),
    splitting: true,
    sourcemap: flags.sourceMap === true,
    plugins: [{
      name: 'sources',
      setup ({ onLoad, onResolve }) {
        onResolve({ filter: /^[^.]/ }, ({ path, kind }) => kind === 'entry-point' ? undefined : { path: schemas.test(path) ? placeholder : path, external: true })
        onLoad({ filter: /[\\/]src[\\/]version\.ts$/ }, () => ({ contents: `export const version = '${version}'` }))
      }
    }]
  })
  return outputFiles.map(({ path, text }) => [path, text.replaceAll(`from "${placeholder}"`, `from "${placeFrom(path, join(dist, 'schemas.js'))}"`)])
}

function placeFrom (file, other) {
  const place = relative(dirname(file), other).replaceAll(sep, '/')
  return place.startsWith('.') ? place : `./${place}`
}

/** The declarations that a host can come to from an entry: the others are the insides' own. */
function publishedTypes (folder) {
  const reached = new Set()
  const visit = file => {
    if (reached.has(file)) return
    reached.add(file)
    for (const [, other] of readFileSync(file, 'utf8').matchAll(/(?:from|import\() ?["'](\.[^"']+)\.js["']/g)) visit(join(dirname(file), `${other}.d.ts`))
  }
  for (const entry of ['index', 'storage/index', 'testing/index']) visit(join(folder, `${entry}.d.ts`))
  return reached
}

/** Makes the declarations in a folder. */
function makeTypes (folder, ...settings) {
  const { status } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', src, '--outDir', folder, ...settings], { stdio: 'inherit' })
  if (status !== 0) process.exit(1)
  const published = publishedTypes(folder)
  for (const file of filesOf(folder, '.d.ts')) if (!published.has(file)) rmSync(file)
}

if (flags['types-only']) {
  const made = join(root, 'node_modules/.cache/fastify-clover-types', String(process.pid))
  makeTypes(made, '--noCheck')
  const names = filesOf(made, '.d.ts').map(file => relative(made, file))
  for (const file of existsSync(dist) ? filesOf(dist, '.d.ts') : []) if (!names.includes(relative(dist, file))) rmSync(file)
  // The first entry comes last: where it is new, the others are.
  for (const name of [...names.filter(name => name !== 'index.d.ts'), 'index.d.ts']) {
    mkdirSync(dirname(join(dist, name)), { recursive: true })
    writeFileSync(join(dist, name), readFileSync(join(made, name)))
  }
  rmSync(made, { recursive: true })
  process.exit()
}

const outputs = [...await ownModules(), [join(dist, 'schemas.js'), await schemasModule()]]
if (!flags['no-types']) {
  rmSync(dist, { recursive: true, force: true })
  makeTypes(dist)
}
// A fresh clone has none.
mkdirSync(dist, { recursive: true })
for (const file of filesOf(dist, '.js')) rmSync(file)
for (const [file, text] of outputs) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}
