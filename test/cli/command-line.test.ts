import { EventEmitter } from 'node:events'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { colour } from '../../src/cli/colour.js'
import { counted } from '../../src/cli/counted.js'
import { stopOnSignals } from '../../src/cli/stop.js'
import { storageFailed } from '../../src/errors.js'
import { version } from '../../src/version.js'
import { appOf, run } from './terminal.js'

t.test('--help lists the commands, and a command\'s --help has its options and exit codes', async t => {
  for (const flag of ['--help', '-h']) {
    const { code, out, err } = await run([flag])
    t.same([code, err], [0, ''])
    t.match(out, /^ {2}status +prints .*\n {2}keep-alive +makes .*\n {2}migrate +moves /m)
    for (const command of ['status', 'keep-alive', 'migrate']) {
      const { code, out, err } = await run([command, 'app.js', flag])
      t.same([code, err], [0, ''])
      t.match(out, new RegExp(`^fastify-clover ${command} <app>[^]*--scope[^]*--json[^]*Exit code: 0`))
    }
  }
})

t.test('--version is that of the package', async t => {
  t.match(await run(['--version']), { code: 0, out: `${version}\n`, err: '' })
})

t.test('wrong usage is a sentence on stderr and exit code 2', async t => {
  const wrong: Array<[string[], RegExp]> = [
    [[], /^fastify-clover: name a command: doctor, status, keep-alive, migrate, probe; .*\n$/],
    [['keepalive'], /^fastify-clover: keepalive is no command: did you mean keep-alive\?\n$/],
    [['toString'], /^fastify-clover: toString is no command: see fastify-clover --help\.\n$/],
    [['keep-alive'], /^fastify-clover: keep-alive takes <app>: see fastify-clover keep-alive --help\.\n$/],
    [['migrate', 'app.js'], /^fastify-clover: migrate takes <app> <list>: see .*\n$/],
    [['status', 'app.js', 'canary'], /^fastify-clover: status takes <app>: see .*\n$/],
    [['keep-alive', 'app.js', '--witin', '3'], /: --witin is not an option: did you mean --within\?\n$/],
    [['keep-alive', 'app.js', '--toString'], /: --toString is not an option\.\n$/],
    [['keep-alive', 'app.js', '--rate', 'fast', '--concurrency=1.5', '--within'], /: --rate must be a number from 0\.01 to 1000\. --concurrency must be a whole number from 1 to 100\. --within must be a number of seconds from 0 to 31536000\.\n$/],
    [['keep-alive', 'app.js', '--rate', '-5'], /: --rate must be a number /],
    [['keep-alive', 'app.js', '--rate='], /: --rate must be a number /],
    [['keep-alive', 'app.js', '--rate', '--json'], /: --rate must be a number /],
    [['status', 'app.js', '--json=false'], /: --json must be given without a value\.\n$/],
    [['status', 'app.js', '--scope', 'eu'], /: --scope must be the prefix of a scope, such as \/eu\.\n$/],
    [['migrate', 'app.js', '-', '--format', 'xml'], /: --format must be csv or jsonl\.\n$/]
  ]
  for (const [args, says] of wrong) {
    const { code, out, err } = await run(args)
    t.same([code, out], [2, ''], args.join(' '))
    t.match(err, says)
    t.notMatch(err, /canary/)
  }
})

t.test('colours are for terminals, and NO_COLOR switches them off', async t => {
  t.equal(colour({ isTerminal: true, env: {} }, 'red', 'text'), '\x1b[31mtext\x1b[39m')
  t.equal(colour({ isTerminal: true, env: { NO_COLOR: '' } }, 'red', 'text'), '\x1b[31mtext\x1b[39m')
  t.equal(colour({ isTerminal: true, env: { NO_COLOR: '1' } }, 'red', 'text'), 'text')
  t.equal(colour({ isTerminal: false, env: {} }, 'red', 'text'), 'text')
  t.match((await run([], { isTerminal: true })).err, '\x1b[31mfastify-clover:\x1b[39m name')
})

t.test('the first signal stops the command, those that come with it are ignored, and a later one ends the process', async t => {
  const codes: number[] = []
  const target = Object.assign(new EventEmitter(), { exit: (code: number) => { codes.push(code) } })
  let now = 0
  const signal = stopOnSignals(target, () => now)
  t.notOk(signal.aborted)
  target.emit('SIGINT')
  t.ok(signal.aborted)
  for (const time of [0, 15, 5_000]) {
    now = time
    target.emit('SIGINT')
    target.emit('SIGTERM')
  }
  t.same(codes, [])
  now = 5_001
  target.emit('SIGINT')
  target.emit('SIGTERM')
  t.same(codes, [130, 143])
})

t.test('a number of one has its noun in the singular', async t => {
  t.same([0, 1, 2].map(count => counted(count, 'merchant')), ['0 merchants', '1 merchant', '2 merchants'])
})

t.test('an error of an app has no password and no control characters', async t => {
  const fails = (error: Error) => appOf(t, async () => { throw error })
  const works = (error: unknown) => appOf(t, async fastify => {
    fastify.decorate('clover', { summary: async () => { throw error } } as unknown as FastifyInstance['clover'])
  })
  const message = 'postgres://app:hunter2@db/x?password=hunter3 \u001b]0;title\u0007 \u009b2J\u202e!'
  const shown = 'postgres://app:[redacted]@db/x?password=[redacted]  ]0;title   2J !\n'
  for (const [app, code] of [[() => fails(new Error(message)), 2], [() => works(new Error(message)), 1], [() => works(message), 1]] as const) {
    const printed = await run(['status', app()])
    t.equal(printed.code, code)
    t.ok(printed.err.endsWith(shown), printed.err)
  }
  const { err } = await run(['status', works(storageFailed(`get (${message})`, message))])
  t.match(err, '//app:[redacted]@db/x?password=[redacted] ')
  t.notMatch(err, /hunter|[^\P{Cc}\n]/u)
})
