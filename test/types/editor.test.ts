import { join } from 'node:path'
import { OptionalKind, type TObject, type TSchema } from '@sinclair/typebox'
import t from 'tap'
import ts from 'typescript'
import { errorCodes } from '../../src/errors.js'
import { Installation, InstallationSummary, UnusableInstallation } from '../../src/installation.js'
import { KeepAlivePass, KeepAliveSchedule, KeepAliveSummary } from '../../src/jobs/keep-alive-options.js'
import { MigrationData, MigrationOutcome, MigrationProgress } from '../../src/jobs/migration-options.js'
import { Finding } from '../../src/operations/finding.js'
import { CloverSummary } from '../../src/operations/summary.js'
import { CloverDataOptions } from '../../src/options/options.js'
import { DataOptions, Permissions, RateLimits } from '../../src/testing/simulator/options.js'
import { Unknowns } from '../../src/testing/simulator/unknowns.js'
import { buildTypes } from '../harness/types.js'

/*
 * What an editor shows of the package that was built: TypeScript's language service is asked for each option as it is while somebody writes it.
 */

await buildTypes()

const root = process.cwd()
const dist = join(root, 'dist')
const file = join(root, 'test/types/written-in-an-editor.ts')
let text = ''
let version = 0

const service = ts.createLanguageService({
  getScriptFileNames: () => [file],
  getScriptVersion: name => name === file ? String(version) : '1',
  getScriptSnapshot: name => {
    const code = name === file ? text : ts.sys.readFile(name)
    return code === undefined ? undefined : ts.ScriptSnapshot.fromString(code)
  },
  getCurrentDirectory: () => root,
  getCompilationSettings: () => ({ strict: true, module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, types: ['node'], skipLibCheck: true }),
  getDefaultLibFileName: options => ts.getDefaultLibFilePath(options),
  fileExists: name => name === file || ts.sys.fileExists(name),
  readFile: ts.sys.readFile,
  directoryExists: ts.sys.directoryExists
})

const head = `
import type * as main from '../../dist/index.js'
import type * as storage from '../../dist/storage/index.js'
import type * as testing from '../../dist/testing/index.js'
type Inner<T> = T extends (...args: never[]) => unknown ? never : T extends readonly (infer E)[] ? E : T
type At<T, K> = T extends unknown ? K extends keyof T ? Inner<T[K]> : never : never
`

function write (code: string) {
  text = head + code
  version++
  const program = service.getProgram()
  const source = program?.getSourceFile(file)
  if (program === undefined || source === undefined) throw new Error('no program')
  return { program, source, checker: program.getTypeChecker() }
}

/** The names that an entry exports, with what each stands for. */
function exportsOf (entry: string): Map<string, ts.Symbol> {
  const { program, checker } = write('')
  const source = program.getSourceFile(join(dist, entry))
  const module = source && checker.getSymbolAtLocation(source)
  if (module === undefined) throw new Error(`no ${entry}`)
  return new Map(checker.getExportsOfModule(module).map(symbol => [symbol.name, symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol]))
}

const entries = { main: exportsOf('index.d.ts'), storage: exportsOf('storage/index.d.ts'), testing: exportsOf('testing/index.d.ts') }

/** Types of arguments that are not called options, by the type that a host would write. */
const others = [
  'main.AdoptedTokens', 'main.LegacyToken', 'main.EnvironmentOption', 'main.Environment', 'main.CloverRoutes', 'main.ListQuery',
  "Parameters<main.Clover['ecommercePublicKey']>[1]", "Parameters<main.Clover['installations']>[0]",
  'storage.SealingKey', 'testing.StorageUnderTest', 'testing.Fault', 'testing.CallFilter', 'testing.Pairing', "Parameters<testing.CloverSimulator['sendWebhook']>[0]",
  "Parameters<testing.CloverSimulator['atOnce']>[1]"
]
const roots = [...Object.entries(entries).flatMap(([entry, names]) => [...names.keys()].filter(name => name.endsWith('Options')).map(name => `${entry}.${name}`)), ...others]

interface Shown {
  isOptional: boolean
  type: string
  documentation: string
}

/** Each member that somebody can write in an object of the given types, and in the objects inside of it. */
function shownFor (types: string[]): Map<string, Shown> {
  const shown = new Map<string, Shown>()
  let level = types.map(type => ({ path: type, type }))
  while (level.length > 0) {
    const { source, checker } = write(level.map(({ type }, index) => `const v${index}: NonNullable<${type}> = { /*${index}*/ }\n`).join(''))
    const next: typeof level = []
    source.forEachChild(node => {
      if (!ts.isVariableStatement(node)) return
      const { name } = node.declarationList.declarations[0] as ts.VariableDeclaration
      const index = Number(name.getText().slice(1))
      const { path, type } = level[index] as typeof level[number]
      const given = checker.getTypeAtLocation(name)
      const members = new Map((given.isUnion() ? given.types : [given]).filter(type => type.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)).flatMap(type => type.getProperties()).map(member => [member.name, member]))
      const position = text.indexOf(`/*${index}*/`)
      for (const member of members.values()) {
        // Fastify's route options and the members of a Date are not the package's.
        if (member.declarations?.every(declaration => !declaration.getSourceFile().fileName.startsWith(dist))) continue
        const details = service.getCompletionEntryDetails(file, position, member.name, {}, undefined, {}, undefined)
        const memberType = checker.getTypeOfSymbol(member)
        shown.set(`${path}.${member.name}`, {
          isOptional: Boolean(member.flags & ts.SymbolFlags.Optional),
          type: checker.typeToString(memberType, undefined, ts.TypeFormatFlags.InTypeAlias | ts.TypeFormatFlags.NoTruncation),
          documentation: ts.displayPartsToString(details?.documentation).replace(/\s+/g, ' ')
        })
        if (path.split('.').length < 6) next.push({ path: `${path}.${member.name}`, type: `At<NonNullable<${type}>, '${member.name}'>` })
      }
    })
    level = next
  }
  return shown
}

const shown = shownFor(roots)

/** Types of what a function resolves with, and of what is stored, by their schemas. */
const results: Record<string, TSchema> = {
  'main.Installation': Installation,
  'main.InstallationSummary': InstallationSummary,
  'main.UnusableInstallation': UnusableInstallation,
  'main.CloverSummary': CloverSummary,
  'main.KeepAliveSummary': KeepAliveSummary,
  'main.Finding': Finding,
  'main.MigrationOutcome': MigrationOutcome,
  'main.MigrationProgress': MigrationProgress
}

t.test('an editor shows a sentence for each option of each public function', async t => {
  for (const name of ['main.CloverOptions.environment.base', 'main.CloverOptions.minValidity', 'main.CloverOptions.appSecret', 'main.CloverOptions.cache.ttl', 'main.CloverOptions.keepAlive.every', 'main.CloverOptions.routes.webhook.auth',
    'testing.SimulatorOptions.apps.permissions.ecommerce', 'testing.SimulatorOptions.unknowns.denial', 'testing.Fault.ms', 'testing.ConformanceOptions.timeout', 'storage.EncryptedStorageOptions.keys.id']) t.ok(shown.has(name), name)
  for (const [name, { documentation }] of shown) t.match(documentation, /^[^]+\.$/, name)
})

t.test('it says the default of what can be left out, and the unit of each number', async t => {
  for (const [name, { isOptional, type, documentation }] of shown) {
    if (isOptional && !/=>|AbortSignal|schema/.test(`${type} ${name}`)) t.match(documentation, /default|required|absent|without/i, `${name}: ${type}`)
    if (/\bnumber\b/.test(type) && !type.includes('{')) t.match(documentation, /seconds|ms\b|requests|merchants|records|elements|items|calls|share|port|status|tokens/i, `${name}: ${type}`)
  }
})

t.test('it says the very default that the schema has', async t => {
  const cache = CloverDataOptions.properties.cache.anyOf[1]
  const schemas: Record<string, TObject> = {
    'main.CloverOptions': CloverDataOptions,
    'main.CloverOptions.cache': cache,
    'main.CloverOptions.keepAlive': KeepAliveSchedule,
    'main.KeepAliveOptions': KeepAlivePass,
    'main.MigrationOptions': MigrationData,
    'testing.SimulatorOptions': DataOptions,
    'testing.SimulatorOptions.unknowns': Unknowns,
    'testing.SimulatorOptions.rateLimits': RateLimits,
    'testing.SimulatorOptions.apps.permissions': Permissions
  }
  for (const [path, schema] of Object.entries(schemas)) {
    for (const [name, field] of Object.entries<TSchema>(schema.properties)) {
      const { documentation, isOptional } = shown.get(`${path}.${name}`) ?? {}
      t.type(documentation, 'string', `${path}.${name} is shown`)
      if (OptionalKind in field) t.equal(isOptional, true, `${path}.${name} can be left out`)
      if (field.default === undefined || typeof field.default === 'object') continue
      const value = typeof field.default === 'string' ? `\`'${field.default}'\`` : String(field.default)
      t.match(documentation?.replace(/Default: `(\w+)`/, 'Default: $1'), new RegExp(`Default: ${value}(?![\\w'.]\\w)`), `${path}.${name}`)
    }
  }
})

t.test('it shows for each field of a result the very sentence that the schema has, with the unit of each number', async t => {
  const members = shownFor(Object.keys(results))
  const check = (path: string, schema: TSchema) => {
    const alternatives: TSchema[] = schema.anyOf ?? [schema]
    for (const { properties = {} } of alternatives) {
      for (const [name, field] of Object.entries<TSchema>(properties)) {
        const { type = '', documentation = '' } = members.get(`${path}.${name}`) ?? {}
        const said = documentation.replace(/`/g, '')
        if (alternatives.length === 1) t.equal(said, `${field.description}.`, `${path}.${name}`)
        else t.match(said, /\.$/, `${path}.${name}`)
        if (/\bnumber\b/.test(type) && !type.includes('{')) t.match(said, /seconds|merchants|records|items|place/i, `${path}.${name}`)
        check(`${path}.${name}`, field)
      }
    }
  }
  for (const [path, schema] of Object.entries(results)) check(path, schema)
})

t.test('it shows a sentence for each code of an error', async t => {
  const codes = shownFor(['typeof main.errorCodes'])
  for (const code of Object.keys(errorCodes)) t.match(codes.get(`typeof main.errorCodes.${code}`)?.documentation ?? '', /\(\d{3}\).*\.$/, code)
})

t.test('it shows a sentence for each name that an entry exports', async t => {
  const { checker } = write('')
  for (const [entry, names] of Object.entries(entries)) {
    t.ok(names.size > 20, entry)
    for (const [name, symbol] of names) {
      const documentation = ts.displayPartsToString(symbol.getDocumentationComment(checker))
      t.match(documentation, /^[^]*[^,\s](\.|: http\S+)$/, `${entry}: ${name}`)
    }
  }
})

t.test('a name means one thing: the main entry and the one for tests share none, and that of storage shares what it means', async t => {
  t.same([...entries.main.keys()].filter(name => entries.testing.has(name)), [])
  t.same([...entries.storage.keys()].filter(name => entries.testing.has(name)), [])
  for (const [name, symbol] of entries.storage) if (entries.main.has(name)) t.equal(entries.main.get(name), symbol, name)
})
