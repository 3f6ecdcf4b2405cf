import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { loadApp } from '../../src/cli/load-app.js'
import { UsageError } from '../../src/cli/usage-error.js'
import { memoryStorage } from '../../src/storage/index.js'
import { until } from '../harness/waiting.js'
import { appOf, run } from './terminal.js'

const source = (file: string) => JSON.stringify(pathToFileURL(join('src', file)).href)

/** The part of an app that registers the plugin. */
const registration = 'await scope.register(plugin, { environment: \'sandbox\', appId: \'ABCDEFGHJKLMN\', appSecret: \'a secret\', storage: memoryStorage(), routes: false, keepAlive: false })'
const imports = `const { plugin } = await import(${source('plugin.ts')}); const { memoryStorage } = await import(${source('storage/index.ts')})`

let loads = 0

/** Loads an app of this text, until the test ends. */
async function load (t: Test, text: string, { name = 'app.mjs', ...options }: { name?: string, scope?: string, log?: { write (text: string): unknown }, files?: object } = {}) {
  // A module of the same address would be that of before.
  const place = String(loads++)
  const folder = t.testdir({ [place]: { [name]: text, ...options.files } })
  const loaded = await loadApp(join(folder, place, name), options)
  t.teardown(() => loaded.app.close())
  return loaded
}

/** The sentence for an app of this text. */
async function refusal (t: Test, text: string, options: Parameters<typeof load>[2] = {}): Promise<string> {
  try {
    await load(t, text, options)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    return error.message.replace(/^\S+[/\\]/, '')
  }
  return 'it was loaded'
}

const kinds: Record<string, [name: string, text: string]> = {
  'an ES module': ['app.mjs', `export default async function (scope, options) { ${imports}; ${registration} }`],
  CommonJS: ['app.cjs', `module.exports = async function (scope, options) { ${imports}; ${registration} }`],
  'CommonJS that was compiled from an ES module': ['app.cjs', `exports.default = async function (scope, options) { ${imports}; ${registration} }`],
  'a function with a callback': ['app.mjs', `export default (scope, options, done) => { (async () => { ${imports}; ${registration} })().then(() => done(), done) }`],
  'a function that is not async': ['app.mjs', `${imports}; export default (scope, options, done) => { scope.register(plugin, { environment: 'sandbox', appId: 'A', appSecret: 'a secret', storage: memoryStorage(), routes: false, keepAlive: false }); done() }`],
  'a plugin of fastify-plugin': ['app.mjs', `import fp from 'fastify-plugin'; export default fp(async scope => { ${imports}; ${registration} })`],
  'a plugin in a plugin': ['app.mjs', `export default async app => { app.register(async inner => { inner.register(async scope => { ${imports}; ${registration} }); inner.register(async () => {}) }); app.register(async () => {}) }`]
}

for (const [kind, [name, text]] of Object.entries(kinds)) {
  t.test(`the app may be ${kind}`, async t => {
    const { app, scope, clover } = await load(t, text, { name })
    t.equal(scope.clover, clover)
    t.equal(app.server.listening, false)
    t.same(await clover.installation('MERCHANT00001'), undefined)
  })
}

for (const [kind, text] of Object.entries({
  'an ES module': ['app.mjs', `export default async scope => { ${imports}; ${registration} }; export const options = { bodyLimit: 7 }`],
  CommonJS: ['app.cjs', `module.exports = async scope => { ${imports}; ${registration} }; module.exports.options = { bodyLimit: 7 }`],
  'CommonJS that was compiled from an ES module': ['app.cjs', `exports.default = async scope => { ${imports}; ${registration} }; exports.options = { bodyLimit: 7 }`]
} as Record<string, [string, string]>)) {
  t.test(`the options that ${kind} exports are those of the Fastify instance`, async t => {
    t.equal((await load(t, text[1], { name: text[0] })).app.initialConfig.bodyLimit, 7)
  })
}

t.test('the instance is made by the app\'s own copy of Fastify', async t => {
  const copy = `const fastify = require(${JSON.stringify(join(process.cwd(), 'node_modules/fastify'))}); module.exports = options => fastify(options).decorate('ownCopy', true)`
  const { app } = await load(t, `export default async scope => { ${imports}; ${registration} }`, { files: { node_modules: { fastify: { 'index.js': copy } } } })
  t.ok(app.hasDecorator('ownCopy'))
})

t.test('an app that has no Fastify beside it gets the one of this package', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'fastify-clover-app-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'app.mjs'), `export default async scope => { ${imports}; ${registration} }`)
  const { app } = await loadApp(join(folder, 'app.mjs'))
  t.teardown(() => app.close())
  t.match(app.version, /^5\./)
})

t.test('an app with several registrations needs --scope, which finds each by its prefix', async t => {
  const text = `export default async app => { ${imports}; for (const prefix of ['/us', '/eu']) app.register(async scope => { ${registration}; scope.register(async () => {}) }, { prefix }) }`
  t.equal(await refusal(t, text), 'app.mjs registers fastify-clover 2 times, in the scopes /us and /eu: choose one, such as --scope /us.')
  t.equal((await load(t, text, { scope: '/us' })).scope.prefix, '/us')
  t.equal((await load(t, text, { scope: '/eu/' })).scope.prefix, '/eu')
  t.equal(await refusal(t, text, { scope: '/asia' }), 'app.mjs does not register fastify-clover in the scope /asia, but in /us and /eu.')
  t.equal(await refusal(t, text, { scope: '/' }), 'app.mjs does not register fastify-clover in the scope /, but in /us and /eu.')
})

t.test('scopes without a prefix cannot be told from each other', async t => {
  const text = `export default async app => { ${imports}; for (let i = 0; i < 2; i++) app.register(async scope => { ${registration} }) }`
  t.match(await refusal(t, text), /2 times, in the scopes \/ and \/: choose one/)
  t.equal(await refusal(t, text, { scope: '/' }), 'app.mjs registers fastify-clover more than once in the scope /: give each registration a scope with a prefix of its own.')
  t.equal((await load(t, `export default async scope => { ${imports}; ${registration} }`, { scope: '/' })).scope.prefix, '')
})

t.test('a module that cannot be used is a sentence', async t => {
  const missing = await loadApp('missing.js').catch(error => error)
  t.type(missing, UsageError)
  t.equal(missing.message, 'missing.js is no file: name the module that exports the app.')
  await t.rejects(loadApp('src'), { message: /^src is no file/ })
  const wrong: Array<[text: string, says: RegExp, name?: string]> = [
    ['throw new Error("DATABASE_URL is not set")', /^app\.mjs cannot be loaded: DATABASE_URL is not set$/],
    ['throw undefined', /^app\.mjs cannot be loaded: undefined$/],
    ['throw Object.assign(new AggregateError([]), { code: "ECONNREFUSED" })', /^app\.mjs cannot be loaded: ECONNREFUSED$/],
    ['throw new RangeError()', /^app\.mjs cannot be loaded: RangeError$/],
    ['require("not-installed")', /^app\.cjs cannot be loaded: Cannot find module 'not-installed'$/, 'app.cjs'],
    ['', /^app\.tea cannot be loaded, since this Node does not know \.tea: for TypeScript install tsx and set NODE_OPTIONS="--import tsx"\.$/, 'app.tea'],
    ['', /^app\.mjs exports no plugin: export a function \(fastify, options\).* call listen\(\) in another file\.$/],
    ['export default { register: true }', /^app\.mjs exports no plugin/],
    ['import Fastify from "fastify"; export default Fastify()', /^app\.mjs exports a Fastify instance: export a function/],
    ['module.exports = require("fastify")()', /^app\.cjs exports a Fastify instance: export a function/, 'app.cjs'],
    ['export default async () => {}', /^app\.mjs does not register fastify-clover: the plugin that it exports must do so/],
    ['export default async app => { await app.listen({ port: 0 }) }', /^app\.mjs calls listen\(\): move that into another file/],
    ['export default async app => { await app.register(async inner => inner.listen({ port: 0 })) }', /^app\.mjs calls listen\(\)/],
    ['export default async () => { throw new Error("the database is down") }', /^app\.mjs does not start: the database is down$/],
    ['export default (app, options, done) => {}; export const options = { pluginTimeout: 50 }', /^app\.mjs does not start: Plugin did not start in time: '.*'\. You may have forgotten to call 'done'/],
    ['export default async () => {}; export const options = { logger: 7 }', /^app\.mjs does not register fastify-clover/],
    ['export default async () => {}; export const options = { loggerInstance: 7 }', /^app\.mjs does not start: loggerInstance only accepts a logger instance\.$/]
  ]
  for (const [text, says, name = 'app.mjs'] of wrong) t.match(await refusal(t, text, { name, log: { write () {} } }), says, text)
})

t.test('wrong options of the plugin are the error\'s own sentences, with exit code 2, and the app is closed', async t => {
  let isClosed = false
  const app = appOf(t, async fastify => {
    fastify.addHook('onClose', async () => { isClosed = true; throw new Error('a close that fails too') })
    const { plugin } = await import('../../src/plugin.js')
    await fastify.register(plugin, { environment: 'sandbox', appId: '-', storage: memoryStorage(), routes: false } as never)
  })
  const { code, out, err } = await run(['keep-alive', app])
  t.same([code, out], [2, ''])
  t.match(err, /does not start:\n {2}appId must be .*\.\n {2}appSecret is missing: it must be .*\.\n$/, 'each on a line')
  t.notMatch(err, /\n {4}at /)
  t.ok(isClosed)
})

t.test('wrong options have a line each where the module itself fails, without a password or a control character', async t => {
  const options = 'throw Object.assign(new Error("one \\u001b[2J\\u009b\\nmysql://root:secret@db/x is wrong"), { code: "FST_CLOVER_INVALID_OPTIONS" })'
  for (const [text, says] of [[options, 'cannot be loaded'], [`export default async () => { ${options} }`, 'does not start']] as const) {
    const folder = t.testdir({ [says.replaceAll(' ', '-')]: { 'app.mjs': text } })
    const { code, err } = await run(['status', join(folder, says.replaceAll(' ', '-'), 'app.mjs')])
    t.equal(code, 2)
    t.match(err, new RegExp(`${says}:\\n {2}one .*\\n {2}mysql:.* is wrong\\n$`))
    t.same(['secret', '\u001b', '\u009b'].filter(text => err.includes(text)), [])
  }
})

t.test('the log of the app goes to stderr, and is the app\'s to set', async t => {
  const lines: string[] = []
  const log = { write: (text: string) => { lines.push(text) } }
  const speak = (options: string) => `export default async scope => { ${imports}; ${registration}; scope.log.info('of level info'); scope.log.warn('of level warn') }; export const options = ${options}`
  const levels = async (options: string) => {
    lines.length = 0
    await load(t, speak(options), { log })
    return lines.map(line => JSON.parse(line).level)
  }
  t.same(await levels('{}'), [40])
  t.same(await levels('{ logger: true }'), [30, 40])
  t.same(await levels('{ logger: { level: "info" } }'), [30, 40])
  t.same(await levels('{ logger: false }'), [])
  t.same(await levels('{ logger: { stream: { write () {} } } }'), [])
})

t.test('the work of a command ends with the close of the app, also if it fails', async t => {
  const closed: string[] = []
  const app = (name: string, summary: () => unknown, close = async () => {}) => appOf(t, async fastify => {
    fastify.decorate('clover', { summary } as unknown as FastifyInstance['clover'])
    fastify.addHook('onClose', async () => { closed.push(name); await close() })
  })
  t.match(await run(['status', app('one', async () => ({ connected: 1 }))]), { code: 0 })
  t.match(await run(['status', app('two', async () => { throw new Error('it fails') })]), { code: 1, err: 'fastify-clover: it fails\n' })
  t.match(await run(['status', app('three', async () => ({}), async () => { throw new Error('the close fails') })]), { code: 1, err: 'fastify-clover: the close fails\n' })
  t.same(closed, ['one', 'two', 'three'])
})

/** Timers that are over at the next turn of the event loop, and the milliseconds that have passed by them. */
function fastTiming () {
  let now = 0
  return {
    monotonic: () => now,
    after (milliseconds: number, run: () => void) {
      const turn = setImmediate(() => {
        now += milliseconds
        run()
      })
      return () => { clearImmediate(turn) }
    }
  }
}

t.test('a close that does not end is left, after the result is printed, with a sentence and the exit code of the work', async t => {
  const hanging = (summary: () => unknown) => appOf(t, async fastify => {
    fastify.addHook('onClose', async () => { await new Promise(() => {}) })
    const { plugin } = await import('../../src/plugin.js')
    await fastify.register(async scope => {
      await scope.register(plugin, { environment: 'sandbox', appId: 'ABCDEFGHJKLMN', appSecret: 'a secret', storage: memoryStorage(), routes: false, keepAlive: false, callTimeout: 60_000 })
    }, { prefix: '/real' })
    await fastify.register(async scope => { scope.decorate('clover', { summary, keepAlive: summary } as unknown as FastifyInstance['clover']) }, { prefix: '/done' })
  })
  const late = /fastify-clover: \S+app\.mjs is not closed after 76 seconds, since a hook onClose or preClose does not end: it is left as it is\.\n$/
  const timing = fastTiming()
  t.match(await run(['status', '--scope', '/done', '--json', hanging(async () => ({ connected: 1 }))], { timing }), { code: 0, out: '{"type":"summary","connected":1}\n', err: late })
  t.match(await run(['keep-alive', '--scope', '/done', hanging(async () => ({ failed: 1, isComplete: true }))], { timing }), { code: 1, out: '{"type":"summary","failed":1,"isComplete":true}\n', err: late })
  t.match(await run(['status', '--scope', '/done', hanging(async () => { throw new Error('it fails') })], { timing }), { code: 1, out: '', err: /is left as it is\.\nfastify-clover: it fails\n$/ })
  const broken = appOf(t, async fastify => {
    fastify.addHook('onClose', async () => { await new Promise(() => {}) })
    throw new Error('the database is down')
  })
  t.match(await run(['status', broken], { timing }), { code: 2, err: /is not closed after 5 seconds.*\n.* does not start: the database is down\n$/ })
})

t.test('a stop while the app is loaded is one sentence and exit code 1, and the app is closed once it is ready', async t => {
  for (const isBroken of [false, true]) {
    const stop = new AbortController()
    let goOn: (() => void) | undefined
    let isClosed = false
    const app = appOf(t, async fastify => {
      fastify.addHook('onClose', async () => { isClosed = true })
      fastify.decorate('clover', {} as FastifyInstance['clover'])
      const going = new Promise<void>(resolve => { goOn = resolve })
      stop.abort()
      await going
      if (isBroken) throw new Error('too late for anybody')
    })
    t.match(await run(['status', app], { signal: stop.signal }), { code: 1, out: '', err: /^fastify-clover: stopped before \S+app\.mjs was loaded\.\n$/ })
    t.notOk(isClosed)
    goOn?.()
    await until(() => isClosed)
  }
})
