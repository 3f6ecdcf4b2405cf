import { connect } from 'node:net'

/** A server that tests need: where it is, or why a test that needs it is skipped. */
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

/** What makes a test run's tables, roles and keys its own. */
export function uniqueName (name: string): string {
  return `clover_${name}_${process.pid}_${Date.now().toString(36)}_${Math.random().toString(36).slice(2, 8)}`
}

/**
 * Whether a server is there. If it is not, tests that need it are skipped and say so; with `FASTIFY_CLOVER_REQUIRE_SERVICES=1` this
 * throws instead, so that a continuous integration whose database is down does not pass.
 */
async function findService (name: string, url: string, variable: string, defaultPort: number): Promise<Service> {
  const { hostname, port } = addressOf(url, defaultPort)
  if (await answers(hostname, port)) return { url, skip: false }
  const reason = `${name} is not reachable at ${hostname}:${port}: start it, or set ${variable}.`
  if (process.env.FASTIFY_CLOVER_REQUIRE_SERVICES === '1') throw new Error(reason)
  return { url, skip: reason }
}

/** Where a service's URL points to. */
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
