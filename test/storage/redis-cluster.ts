import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { freePorts } from '../harness/ports.js'

/** A Redis cluster of this test's own, on this machine. */
export interface RedisClusterProcesses {
  ports: number[]
  stop (): Promise<void>
}

const slots = 16_384

/** Starts a cluster of primaries without replicas, with its files in `directory`; rejects if there is no redis-server that can. */
export async function startRedisCluster (size: number, directory: string): Promise<RedisClusterProcesses> {
  const ports = await freePorts(size * 2)
  const nodes = ports.slice(0, size)
  const processes: ChildProcess[] = []
  const clients = nodes.map(port => new Redis(port, '127.0.0.1', { lazyConnect: true, retryStrategy: () => 20, maxRetriesPerRequest: null }))
  for (const client of clients) client.on('error', () => {}) // until its node listens
  const kill = () => processes.forEach(node => node.kill('SIGKILL'))
  process.once('exit', kill)
  const stop = async () => {
    const ends = processes.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null).map(async node => await once(node, 'exit'))
    kill()
    await Promise.all(ends)
    process.removeListener('exit', kill)
  }
  try {
    await Promise.all(nodes.map(async (port, index) => {
      const node = spawn('redis-server', ['--port', String(port), '--cluster-port', String(ports[size + index]), '--bind', '127.0.0.1', '--dir', directory,
        '--cluster-enabled', 'yes', '--cluster-config-file', `nodes-${port}.conf`, '--cluster-node-timeout', '2000', '--save', '', '--appendonly', 'no'], { stdio: 'ignore' })
      await once(node, 'spawn')
      processes.push(node)
    }))
    await Promise.race([join(clients, ports.slice(size)), ...processes.map(ended)])
  } catch (error) {
    await stop()
    throw error
  } finally {
    for (const client of clients) client.disconnect()
  }
  return { ports: nodes, stop }
}

async function ended (node: ChildProcess): Promise<never> {
  await once(node, 'exit')
  throw new Error('A redis-server ended at once (it must be Redis 7 or later).')
}

async function join (clients: Redis[], busPorts: number[]): Promise<void> {
  const share = slots / clients.length
  await Promise.all(clients.map(async (client, index) => {
    await client.cluster('ADDSLOTSRANGE', Math.floor(index * share), Math.floor((index + 1) * share) - 1)
    await client.call('cluster', 'SET-CONFIG-EPOCH', String(index + 1))
  }))
  for (const [index, { options }] of clients.entries()) {
    await clients[0]?.call('cluster', 'MEET', '127.0.0.1', String(options.port), String(busPorts[index]))
  }
  for (const client of clients) await complete(client, clients.length)
}

/** Waits, at most about ten seconds, until a node knows the whole cluster. */
async function complete (client: Redis, size: number): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    const info = String(await client.cluster('INFO'))
    if (info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${size}`) && info.includes(`cluster_size:${size}`)) return
    await sleep(20)
  }
  throw new Error('The Redis cluster did not come together within ten seconds.')
}
