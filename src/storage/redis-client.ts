import { hasMethod } from './arguments.js'

/** The part of an ioredis client (also `fastify.redis` and iovalkey) that the adapter uses. */
export interface IoredisClient {
  call (command: string, ...args: string[]): Promise<unknown>
  /** ioredis puts a host's `keyPrefix` before each key itself; only listings have to know it. */
  readonly options: { readonly keyPrefix?: string | undefined }
}

/** One node of an ioredis Cluster. */
export interface IoredisNode {
  call (command: string, ...args: string[]): Promise<unknown>
  readonly options: { readonly host?: string | undefined, readonly port?: number | undefined }
}

/** The part of an ioredis Cluster that the adapter uses. */
export interface IoredisCluster extends IoredisClient {
  nodes (role: 'master'): IoredisNode[]
}

/** The part of a node-redis client, or of its pool, that the adapter uses. */
export interface NodeRedisClient {
  sendCommand (args: string[]): Promise<unknown>
}

/** One primary of a node-redis cluster. */
export interface NodeRedisNode {
  readonly address: string
}

/** The part of a node-redis cluster that the adapter uses. */
export interface NodeRedisCluster {
  sendCommand (firstKey: string, isReadonly: boolean, args: string[]): Promise<unknown>
  readonly masters: readonly NodeRedisNode[]
  nodeClient (node: NodeRedisNode): NodeRedisClient | Promise<NodeRedisClient>
}

/** What `redisStorage` takes. */
export type RedisClient = IoredisClient | IoredisCluster | NodeRedisClient | NodeRedisCluster

/** A server that holds a share of the keys, or all of them. */
export interface Primary {
  address: string
  send (command: string[]): Promise<unknown>
}

/** One way to talk to every kind of client. */
export interface Connection {
  /** Sends a command that has one key to the primary which holds the key. */
  send (key: string, command: string[]): Promise<unknown>
  /** All primaries, in an order of their own that changes only with them. `key`: one that the client may touch. */
  primaries (key: string): Promise<Primary[]>
  /** What the client itself puts before each key. */
  keyPrefix (): string
}

/** Tells the kinds of clients apart by their methods. Throws a TypeError if it is none of them; sends nothing. */
export function connectionOf (client: RedisClient): Connection {
  if (hasMethod(client, 'call')) {
    return hasMethod(client, 'nodes') ? ioredisCluster(client as IoredisCluster) : ioredis(client as IoredisClient)
  }
  if (hasMethod(client, 'sendCommand')) {
    return hasMethod(client, 'nodeClient') ? nodeRedisCluster(client as NodeRedisCluster) : nodeRedis(client as NodeRedisClient)
  }
  throw new TypeError('redisStorage: the first argument must be a client or cluster of ioredis or node-redis, or fastify.redis.')
}

const call = (client: IoredisClient | IoredisNode, [name = '', ...args]: string[]) => client.call(name, ...args)
const keyPrefixOf = (client: IoredisClient) => String(client.options.keyPrefix ?? '')

function ioredis (client: IoredisClient): Connection {
  return {
    send: (_key, command) => call(client, command),
    primaries: async () => [{ address: '', send: command => call(client, command) }],
    keyPrefix: () => keyPrefixOf(client)
  }
}

function nodeRedis (client: NodeRedisClient): Connection {
  return {
    send: (_key, command) => client.sendCommand(command),
    primaries: async () => [{ address: '', send: command => client.sendCommand(command) }],
    keyPrefix: () => ''
  }
}

function ioredisCluster (client: IoredisCluster): Connection {
  return {
    send: (_key, command) => call(client, command),
    primaries: key => clusterPrimaries(
      () => call(client, ['exists', key]),
      () => client.nodes('master').map(node => ({
        address: `${node.options.host}:${node.options.port}`,
        send: command => call(node, command)
      }))),
    keyPrefix: () => keyPrefixOf(client)
  }
}

function nodeRedisCluster (client: NodeRedisCluster): Connection {
  return {
    // Never as a read-only command: with `useReplicas` that would go to a replica, which may be behind.
    send: (key, command) => client.sendCommand(key, false, command),
    primaries: key => clusterPrimaries(
      () => client.sendCommand(key, false, ['exists', key]),
      () => client.masters.map(node => ({
        address: node.address,
        send: async command => await (await client.nodeClient(node)).sendCommand(command)
      }))),
    keyPrefix: () => ''
  }
}

/** A cluster client knows its primaries only once it is connected, and answers a command only then: `touch` waits for it. */
async function clusterPrimaries (touch: () => Promise<unknown>, known: () => Primary[]): Promise<Primary[]> {
  await touch()
  return known().sort((a, b) => a.address < b.address ? -1 : 1)
}
