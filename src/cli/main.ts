#!/usr/bin/env node
/*
 * The command line of the package: `fastify-clover`.
 */
import { realRuntime } from '../runtime.js'
import { runCommand } from './run-command.js'
import { stopOnSignals } from './stop.js'

/** Milliseconds that an app has to end what it left open when it was closed. */
const patience = 2_000

const { stdout, stderr, env } = process
let isReading = false
// Whoever read the output has ended: what is in progress is finished all the same.
for (const stream of [stdout, stderr]) stream.on('error', () => {})

process.exitCode = await runCommand(process.argv.slice(2), {
  stdout,
  stderr,
  get stdin () {
    isReading = true
    return process.stdin
  },
  isTerminal: [stdout, stderr].every(({ isTTY }) => isTTY),
  env,
  signal: stopOnSignals(process, realRuntime.monotonic)
})

// A migration that was stopped may not have read it to its end.
if (isReading) process.stdin.destroy()

// It keeps no process alive, so it runs only if something else does.
setTimeout(() => {
  stderr.write('fastify-clover: the app left something open, such as a timer or a connection: it is ended. Close it in a hook onClose.\n')
  process.exit()
}, patience).unref()
