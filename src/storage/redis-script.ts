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
 * Arguments: none, or Unix seconds. Returns the document, or nil if there is none or if it is not due by then.
 *
 * A script rather than HGET, since cluster clients may send plain reads to replicas, which may be behind.
 */
export const getScript = script(`
if ARGV[1] then
  local due = redis.call('HGET', KEYS[1], 'due_at')
  if not due or due == '' or tonumber(due) > tonumber(ARGV[1]) then return false end
end
return redis.call('HGET', KEYS[1], 'document')`)

/**
 * Arguments: `insert` or `update`, the expected revision, an id of this call, the new revision, due_at, the document. Returns 1 or 0.
 *
 * ioredis sends a command again if the connection broke before its answer. The id tells that second run from another caller's
 * put: without it, it would find its own revision and answer that it stored nothing.
 */
export const putScript = script(`
local stored = redis.call('HMGET', KEYS[1], 'revision', 'put_id')
if stored[2] == ARGV[3] then return 1 end
if ARGV[1] == 'insert' then
  if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
elseif stored[1] ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], 'put_id', ARGV[3], 'revision', ARGV[4], 'due_at', ARGV[5], 'document', ARGV[6])
return 1`)

/** Arguments: none, or the expected revision. Returns 1 or 0. */
export const deleteScript = script(`
if ARGV[1] and redis.call('HGET', KEYS[1], 'revision') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`)

/** Runs a script by its hash; a Redis that does not have it (restarted, failed over, flushed) gets its source. */
export async function runScript (connection: Connection, { source, sha }: Script, key: string, args: string[]): Promise<unknown> {
  try {
    return await connection.send(key, ['evalsha', sha, '1', key, ...args])
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
    return await connection.send(key, ['eval', source, '1', key, ...args])
  }
}
