import { connect } from 'node:net'

/** A server that tests need: its URL, or the reason to skip the tests. */
export interface Service {
  url: string
  /** For tap's option of the same name. */
  skip: string | false
}

/** PostgreSQL: from `PG_URL`, or where development machines have it. See `findService`. */
export async function findPostgres (): Promise<Service> {
  return await findService('PostgreSQL', process.env.PG_URL ?? 'postgres://postgres@127.0.0.1:5432/test', 'PG_URL', 5432)
}

/** Redis: from `REDIS_URL`, or where development machines have it. See `findService`. */
export async function findRedis (): Promise<Service> {
  return await findService('Redis', process.env.REDIS_URL ?? 'redis://127.0.0.1:6379', 'REDIS_URL', 6379)
}

/** MariaDB: from `MARIADB_URL`, or where development machines have it. See `findService`. */
export async function findMariadb (): Promise<Service> {
  return await findService('MariaDB', process.env.MARIADB_URL ?? 'mysql://root@127.0.0.1:3306/test', 'MARIADB_URL', 3306)
}

/** A unique name for the tables, roles or keys of a test run. */
export function uniqueName (name: string): string {
  return `clover_${name}_${process.pid}_${Date.now().toString(36)}_${Math.random().toString(36).slice(2, 8)}`
}

/**
 * Checks whether a server can be reached. If not, tests that need it are skipped with a reason; with `FASTIFY_CLOVER_REQUIRE_SERVICES=1` this
 * throws instead, so that CI does not pass without its database.
 */
async function findService (name: string, url: string, variable: string, defaultPort: number): Promise<Service> {
  const { hostname, port } = addressOf(url, defaultPort)
  if (await answers(hostname, port)) return { url, skip: false }
  const reason = `${name} is not reachable at ${hostname}:${port}: start it, or set ${variable}.`
  if (process.env.FASTIFY_CLOVER_REQUIRE_SERVICES === '1') throw new Error(reason)
  return { url, skip: reason }
}

/** The host and port of a service's URL. */
export function addressOf (url: string, defaultPort: number): { hostname: string, port: number } {
  const { hostname, port } = new URL(url)
  return { hostname, port: port === '' ? defaultPort : Number(port) }
}

async function answers (host: string, port: number): Promise<boolean> {
  return await new Promise(resolve => {
    const socket = connect({ host, port, timeout: 2_000 })
    const settle = (reachable: boolean) => {
      socket.destroy()
      resolve(reachable)
    }
    socket.once('connect', () => settle(true)).once('timeout', () => settle(false)).once('error', () => settle(false))
  })
}
