import type { DurabilityReport } from './durability.js'
import type { Connection, Primary } from './redis-client.js'

/**
 * Asks every primary for the settings on which durability depends. INFO has those that matter most, and hosted services that forbid CONFIG allow it;
 * `appendfsync` is missing then.
 */
export async function askDurability (connection: Connection, prefix: string): Promise<DurabilityReport> {
  return { store: 'Redis', servers: await Promise.all((await connection.primaries(prefix)).map(settingsOf)) }
}

async function settingsOf (primary: Primary): Promise<Record<string, string>> {
  const info = String(await primary.send(['info', 'persistence'])) + String(await primary.send(['info', 'memory']))
  const appendfsync = await primary.send(['config', 'get', 'appendfsync']).then(valueOf, () => undefined)
  const valueIn = (name: string) => new RegExp(`^${name}:(\\S*)`, 'm').exec(info)?.[1]
  const settings = { appendonly: { 0: 'no', 1: 'yes' }[String(valueIn('aof_enabled'))], appendfsync, 'maxmemory-policy': valueIn('maxmemory_policy') }
  return Object.fromEntries(Object.entries(settings).filter((entry): entry is [string, string] => entry[1] !== undefined))
}

/** Clients reply with an array, a Map or an object of the name and its value, in strings or buffers. */
function valueOf (reply: unknown): string | undefined {
  const values: unknown[] = reply instanceof Map ? [...reply.values()] : Object.values(Object(reply) as object)
  return values.map(String).find(value => ['always', 'everysec', 'no'].includes(value))
}
