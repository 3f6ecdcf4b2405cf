import { createCipheriv } from 'node:crypto'
import { cloverSimulator, type CloverSimulator, type RandomSource } from 'fastify-clover/testing'
import { readMigrationSettings, type MigrationSettings } from './settings.js'

/** How the migration is set up, and the simulator that takes Clover's place unless the settings name the real Clover. */
export interface MigrationClover {
  settings: MigrationSettings
  simulator: CloverSimulator | undefined
}

let made: Promise<MigrationClover> | undefined

/** The same for everybody in this process. Rejects with `BadSettings`. */
export function migrationClover (): Promise<MigrationClover> {
  made ??= make()
  return made
}

async function make (): Promise<MigrationClover> {
  const settings = readMigrationSettings(process.env)
  return { settings, simulator: settings.realClover ? undefined : await cloverSimulator({ random: sameAtEveryStart() }) }
}

/** Random bytes for the simulator only, where they may be guessed: a key stream of zeros. */
function sameAtEveryStart (): RandomSource {
  const stream = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16))
  return size => stream.update(Buffer.alloc(size))
}
