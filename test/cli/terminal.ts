import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { FastifyPluginAsync } from 'fastify'
import type { Test } from 'tap'
import type { Io } from '../../src/cli/io.js'
import { runCommand } from '../../src/cli/run-command.js'
import type { CloverOptions } from '../../src/options/options.js'
import { kRuntime, plugin } from '../../src/plugin.js'
import { realRuntime } from '../../src/runtime.js'
import { ordinaryOptions } from '../harness/host.js'
import { adoptable } from '../harness/pairs.js'
import { legacyFixture, type LegacyFixture } from '../jobs/legacy.js'
import { id } from '../jobs/server-jobs.js'

/*
 * The command line in this process: its streams are texts, and its apps are functions of a test.
 */

/** What a command printed. */
export interface Printed {
  code: number
  out: string
  err: string
  /** The lines of stdout as JSON. */
  reports: Array<Record<string, unknown>>
}

/** Runs a command without a terminal, unless the differences say otherwise. */
export async function run (args: string[], differences: Partial<Io> & { input?: Array<Uint8Array | string> } = {}): Promise<Printed> {
  const { input = [], ...io } = differences
  const printed = { out: '', err: '' }
  const code = await runCommand(args, {
    stdout: { write: text => { printed.out += text } },
    stderr: { write: text => { printed.err += text } },
    stdin: (async function * () { yield * input })(),
    isTerminal: false,
    env: {},
    signal: new AbortController().signal,
    ...io
  })
  return { code, ...printed, get reports () { return printed.out.trim().split('\n').map(line => JSON.parse(line)) } }
}

/** The plugins that the modules of this process's apps export. */
export const plugins: FastifyPluginAsync[] = []

/** Writes the module of an app whose plugin is a function of the test. */
export function appOf (t: Test, app: FastifyPluginAsync, options = '{}'): string {
  const place = plugins.push(app) - 1
  // A module of the same address would be that of before.
  const folder = t.testdir({
    [place]: { 'app.mjs': `import { plugins } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, 'terminal.ts')).href)}\nexport default plugins[${place}]\nexport const options = ${options}\n` }
  })
  return join(folder, String(place), 'app.mjs')
}

/** Registers fastify-clover for a fixture's Clover, in the fixture's time. */
export async function register (fastify: Parameters<FastifyPluginAsync>[0], { clover, storage, time }: LegacyFixture, options: Partial<CloverOptions> = {}): Promise<void> {
  await fastify.register(plugin, {
    ...ordinaryOptions(clover),
    storage: { ...storage },
    routes: false,
    keepAlive: false,
    ...options,
    [kRuntime]: { wallClock: time.now, sleep: (milliseconds: number, signal?: AbortSignal) => realRuntime.sleep(milliseconds / 100, signal) }
  } as CloverOptions)
}

/** A fixture with an app on it. */
export async function fixtureWithApp (t: Test, options: Partial<CloverOptions> | ((fixture: LegacyFixture) => Partial<CloverOptions>) = {}): Promise<LegacyFixture & { app: string }> {
  const fixture = await legacyFixture(t)
  const app = appOf(t, async fastify => { await register(fastify, fixture, typeof options === 'function' ? options(fixture) : options) })
  return { ...fixture, app }
}

/** Connects merchants, whose refresh tokens then have 25 days left. */
export async function connectDue ({ clover, host, time }: LegacyFixture, count: number): Promise<void> {
  const { app } = await host()
  for (let i = 0; i < count; i++) {
    const pair = clover.connect({ merchantId: id(i) })
    await app.clover.adopt(adoptable(id(i), pair))
  }
  time.pass(340 * 86_400_000)
}
