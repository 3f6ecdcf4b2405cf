import { readdirSync } from 'node:fs'

/*
 * The tests of this folder run together in two processes, so that neither takes long.
 */

/** The tests that start server processes. */
export const withProcesses = ['close', 'kill', 'migrations', 'pauses', 'random-kills', 'slow-clover', 'sqlite-locks', 'storm', 'way-back'].map(name => `${name}.test.ts`)

/** The others. */
export const withoutProcesses = readdirSync(import.meta.dirname).filter(name => name.endsWith('.test.ts') && !withProcesses.includes(name))
