import { hasMethod } from './arguments.js'

/** The part of an ioredis client (also `fastify.redis` and iovalkey) that the adapter uses. */
export interface IoredisClient {
  /** Sends a command, and resolves with its reply. */
  call (command: string, ...args: string[]): Promise<unknown>
  /** ioredis itself puts `keyPrefix` before each key; only listings need it. */
  readonly options: { readonly keyPrefix?: string | undefined }
}

/** One node of an ioredis Cluster. */
export interface IoredisNode {
  /** Sends a command, and resolves with its reply. */
  call (command: string, ...args: string[]): Promise<unknown>
  readonly options: { readonly host?: string | undefined, readonly port?: number | undefined }
}

/** The part of an ioredis Cluster that the adapter uses. */
export interface IoredisCluster extends IoredisClient {
  /** The primaries, each as a client of its own. */
  nodes (role: 'master'): IoredisNode[]
}

/** The part of a node-redis client, or of its pool, that the adapter uses. */
export interface NodeRedisClient {
  /** Sends a command with its arguments, and resolves with its reply. */
  sendCommand (args: string[]): Promise<unknown>
}

/** One primary of a node-redis cluster. */
export interface NodeRedisNode {
  readonly address: string
}

/** The part of a node-redis cluster that the adapter uses. */
export interface NodeRedisCluster {
  /** Sends a command to the node that holds its first key, and resolves with its reply. */
  sendCommand (firstKey: string, isReadonly: boolean, args: string[]): Promise<unknown>
  readonly masters: readonly NodeRedisNode[]
  /** The client of one primary. */
  nodeClient (node: NodeRedisNode): NodeRedisClient | Promise<NodeRedisClient>
}

/** A client that `redisStorage` accepts. */
export type RedisClient = IoredisClient | IoredisCluster | NodeRedisClient | NodeRedisCluster

/** A server that holds some or all of the keys. */
export interface Primary {
  address: string
  send (command: string[]): Promise<unknown>
}

/** The same interface for every kind of client. */
export interface Connection {
  /** Sends a command with one key to the primary that holds the key. */
  send (key: string, command: string[]): Promise<unknown>
  /** All primaries, sorted by address. `key`: any key that the client may read. */
  primaries (key: string): Promise<Primary[]>
  /** The prefix that the client itself puts before each key. */
  keyPrefix (): string
}

/** Recognizes the kind of client by its methods. Throws a TypeError for anything else. Sends nothing. */
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
    // Never as a read-only command: with `useReplicas` it would go to a replica, which may lag behind.
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

/** A cluster client knows its primaries only once it is connected: `sendAny` sends a command, which waits for that. */
async function clusterPrimaries (sendAny: () => Promise<unknown>, known: () => Primary[]): Promise<Primary[]> {
  await sendAny()
  return known().sort((a, b) => a.address < b.address ? -1 : 1)
}
