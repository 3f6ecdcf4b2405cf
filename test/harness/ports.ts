import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'

/** Ports of localhost that nothing listens on; all different. */
export async function freePorts (count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(anyPort(), '127.0.0.1'))
  await Promise.all(servers.map(async server => await once(server, 'listening')))
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(async server => await once(server.close(), 'close')))
  return ports
}

/** A port of localhost that nothing listens on. */
export async function freePort (): Promise<number> {
  return (await freePorts(1))[0] ?? 0
}

/** Below the range from which systems take ports for others meanwhile. Of ten thousand, two are rarely the same; then `listen` fails. */
function anyPort (): number {
  return 20_000 + Math.floor(Math.random() * 10_000)
}
