import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

/*
 * Ports for servers that tests start in processes of their own. They lie below the range from which systems take a port for whoever asks for any, and
 * those of two test processes never meet: each takes a block of ports, and shows so by listening on its first one until it ends.
 */

const [lowest, blocks, size] = [20_000, 100, 100]

let block: Promise<number> | undefined
let next = 0

/** Ports of localhost that nothing listens on; all different, and none that was given out lately. */
export async function freePorts (count: number): Promise<number[]> {
  const first = await (block ??= takeBlock())
  const ports: number[] = []
  for (let tried = 0; ports.length < count; tried++) {
    if (tried === 2 * size) throw new Error(`Of the ports from ${first} on, ${count} are not free.`)
    const port = first + 1 + next++ % (size - 1)
    const server = await listenOn(port)
    if (server === undefined) continue
    await once(server.close(), 'close')
    ports.push(port)
  }
  return ports
}

/** A port of localhost that nothing listens on. */
export async function freePort (): Promise<number> {
  return (await freePorts(1))[0] ?? 0
}

/** The first port of a block that no other process has. */
async function takeBlock (): Promise<number> {
  const start = Math.floor(Math.random() * blocks)
  for (let place = 0; place < blocks; place++) {
    const port = lowest + (start + place) % blocks * size
    const server = await listenOn(port)
    if (server === undefined) continue
    server.unref()
    return port
  }
  throw new Error(`None of the ports ${lowest}, ${lowest + size}, ... is free.`)
}

/** Undefined if the port is taken. */
async function listenOn (port: number): Promise<Server | undefined> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
    return server
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined
    throw error
  }
}
