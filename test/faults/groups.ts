import { readdirSync } from 'node:fs'

/*
 * The tests of this folder run together in three processes, so that none of these takes long.
 */

/** The exploration and its mutants. */
export const explorations = ['exploration.test.ts', 'exploration-mutants.test.ts']

/** The tests that start server processes. */
export const withProcesses = ['close', 'kill', 'migrations', 'pauses', 'random-kills', 'slow-clover', 'sqlite-locks', 'storm', 'way-back'].map(name => `${name}.test.ts`)

/** The others. */
export const others = readdirSync(import.meta.dirname).filter(name => name.endsWith('.test.ts') && !withProcesses.includes(name) && !explorations.includes(name))
