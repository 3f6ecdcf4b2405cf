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

const signal = stopOnSignals(process, realRuntime.monotonic)
let result = 1
let isDone = false
// Node ends a process with exit code 0 if the app says so, and with 13 if nothing is left to wait for.
process.exitCode = result
process.on('exit', code => {
  process.exitCode = code || result
  if (!isDone && !signal.aborted) {
    stderr.write('fastify-clover: the command is not done: the app ended the process, by process.exit() or an error, or waits for something that never comes.\n')
  }
})

result = await runCommand(process.argv.slice(2), {
  stdout,
  stderr,
  get stdin () {
    isReading = true
    return process.stdin
  },
  isTerminal: [stdout, stderr].every(({ isTTY }) => isTTY),
  env,
  signal
})
isDone = true
process.exitCode = result

// A migration that was stopped may not have read it to its end.
if (isReading) process.stdin.destroy()

// It keeps no process alive, so it runs only if something else does.
setTimeout(() => {
  if (!signal.aborted) stderr.write('fastify-clover: the app left something open, such as a timer or a connection: it is ended. Close it in a hook onClose.\n')
  process.exit()
}, patience).unref()
