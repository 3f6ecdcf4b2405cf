import { createHash } from 'node:crypto'
import type { Connection } from './redis-client.js'

/** A Lua script with one key, which Redis runs as one step. */
export interface Script {
  source: string
  sha: string
}

function script (source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

/**
 * Lua that reads fields of the key's hash into `stored`, with false for each that is missing, and sets `exists`. A key with another type than hash is
 * `broken` and read as a hash without fields: one such key must not fail a whole listing.
 */
function reading (...fields: string[]): string {
  return `
local stored, broken = redis.pcall('HMGET', KEYS[1], ${fields.map(field => `'${field}'`).join(', ')}), false
if stored.err then
  if not string.find(stored.err, 'WRONGTYPE', 1, true) then return stored end
  stored, broken = { ${fields.map(() => 'false').join(', ')} }, true
end
local exists = stored[1] or redis.call('EXISTS', KEYS[1]) == 1`
}

/**
 * No arguments. Returns the document, nil if nothing is stored, or 1 if what is stored has no document. Only a damaged
 * record needs more than the document: `rowScript`, which takes a client and Redis a fifth longer.
 *
 * A script instead of HGET, since cluster clients may send plain reads to replicas, which may lag behind.
 */
export const getScript = script(`
local document = redis.pcall('HGET', KEYS[1], 'document')
if type(document) == 'string' then return document end
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
return 1`)

/** Arguments: none, or Unix seconds. Returns the revision, due_at and the document, or nil if nothing is stored or if it is not due by then. */
export const rowScript = script(`${reading('revision', 'due_at', 'document')}
if not exists then return false end
if ARGV[1] then
  local due = stored[2]
  if not due or due == '' or (tonumber(due) and tonumber(due) > tonumber(ARGV[1])) then return false end
end
return { stored[1] or '', stored[2] or '', stored[3] or '' }`)

/**
 * Arguments: `insert` or `update`, the expected revision, an id of this call, the new revision, due_at, the document. Returns 1 or 0.
 *
 * ioredis repeats a command if the connection breaks before the answer. By the id the repeated run recognizes its own put: otherwise it would find its
 * own revision stored and return 0.
 */
export const putScript = script(`${reading('revision', 'put_id')}
if stored[2] == ARGV[3] then return 1 end
if ARGV[1] == 'insert' then
  if exists then return 0 end
elseif not exists or (stored[1] or '') ~= ARGV[2] then
  return 0
end
if broken then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'put_id', ARGV[3], 'revision', ARGV[4], 'due_at', ARGV[5], 'document', ARGV[6])
return 1`)

/** Arguments: none, or the expected revision. Returns 1 or 0. */
export const deleteScript = script(`${reading('revision')}
if ARGV[1] and (stored[1] or '') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`)

/** Runs a script by its hash, or by its source if Redis does not have it (after a restart, failover or flush). */
export async function runScript (connection: Connection, { source, sha }: Script, key: string, args: string[]): Promise<unknown> {
  try {
    return await connection.send(key, ['evalsha', sha, '1', key, ...args])
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
    return await connection.send(key, ['eval', source, '1', key, ...args])
  }
}
