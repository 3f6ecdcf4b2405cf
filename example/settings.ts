import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { environments, type EnvironmentName } from 'fastify-clover'

/** How the example is set up: read from the environment, with a default for everything but the real Clover. */
export interface Settings {
  host: string
  port: number
  /** The app's public address: an origin. */
  baseUrl: string
  /** The SQLite file. */
  database: string
  /** 32 bytes in base64; undefined: made once and kept in a file beside the database. */
  sessionKey: string | undefined
  operatorPassword: string
  logLevel: string
  /** Undefined: the simulator takes Clover's place. */
  realClover: RealClover | undefined
  /** The Clover Auth Code; undefined until Clover has verified the webhook route. */
  webhookAuth: string | undefined
  simulatorPort: number
  /** Seconds: so short in the simulator that one can watch a refresh. */
  accessTokenLifetime: number
}

/** The settings, and those of the lab. */
export interface LabSettings extends Settings {
  /** How many merchants the simulator makes up and connects at the start. */
  merchants: number
  /** Seconds for which Clover refuses everything, or answers slowly. */
  troubleSeconds: number
  /** Seconds for which the database is locked. */
  lockSeconds: number
}

/** The settings, and those of the migration. */
export interface MigrationSettings extends Settings {
  /** Requests a second. */
  rate: number
  /** How many merchants the simulator makes up. */
  merchants: number
}

/**
 * When the plugin refreshes an access token: with three tenths of its life left, which outlasts the half minute for which the lab has Clover refuse
 * everything. By default no token is handed out in its last minute either, which is half the life of a simulator's token here; ten seconds are enough for
 * the calls of these pages.
 */
export const freshness = { minValidity: 10, refreshAhead: 0.3 }

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

/** An app as it is set up in Clover's developer dashboard. */
export interface RealClover {
  environment: EnvironmentName
  appId: string
  /** `false`: a low-trust app. */
  appSecret: string | false
  cookieSecret: string
}

/** Settings that cannot work; the message has a sentence for each. */
export class BadSettings extends Error {}

type Check = (isRight: boolean, problem: string) => void

/** Reads the settings. Throws {@link BadSettings}. */
export function readSettings (env: NodeJS.ProcessEnv): Settings {
  const problems: string[] = []
  const settings = readAll(env, (isRight, problem) => { if (!isRight) problems.push(problem) })
  if (problems.length > 0) throw new BadSettings(problems.join('\n'))
  return settings
}

/** Reads the settings of the lab as well. Throws {@link BadSettings}. */
export function readLabSettings (env: NodeJS.ProcessEnv): LabSettings {
  const problems: string[] = []
  const check: Check = (isRight, problem) => { if (!isRight) problems.push(problem) }
  const settings = readAll(env, check)
  const merchants = wholeNumber(env, check, 'MERCHANTS', 2, 0, 10_000)
  const troubleSeconds = wholeNumber(env, check, 'TROUBLE_SECONDS', 30, 1, 300)
  const lockSeconds = wholeNumber(env, check, 'LOCK_SECONDS', 10, 1, 300)
  if (problems.length > 0) throw new BadSettings(problems.join('\n'))
  // The lab's page tells what warnings would.
  const logLevel = settings.realClover ? settings.logLevel : env.LOG_LEVEL || 'error'
  return { ...settings, logLevel, merchants, troubleSeconds, lockSeconds }
}

/** Reads the settings of `migrate.ts` as well. Throws {@link BadSettings}. */
export function readMigrationSettings (env: NodeJS.ProcessEnv): MigrationSettings {
  const problems: string[] = []
  const check: Check = (isRight, problem) => { if (!isRight) problems.push(problem) }
  const settings = readAll(env, check)
  const rate = Number(env.RATE || (settings.realClover ? 20 : 1000))
  check(rate >= 0.01 && rate <= 1000, 'RATE must be a number of requests a second from 0.01 to 1000.')
  const merchants = wholeNumber(env, check, 'MERCHANTS', 1000, 1, 1_000_000)
  if (problems.length > 0) throw new BadSettings(problems.join('\n'))
  return { ...settings, rate, merchants }
}

function readAll (env: NodeJS.ProcessEnv, check: Check): Settings {
  const number = (name: string, fallback: number, min: number, max: number) => wholeNumber(env, check, name, fallback, min, max)
  const port = number('PORT', 3000, 1, 65535)
  const simulatorPort = number('SIMULATOR_PORT', 3001, 1, 65535)
  const accessTokenLifetime = number('ACCESS_TOKEN_LIFETIME', 120, 4, 86_400)
  const baseUrl = (env.BASE_URL || `http://localhost:${port}`).replace(/\/$/, '')
  check(!env.BASE_URL || (URL.canParse(baseUrl) && new URL(baseUrl).origin === baseUrl), 'BASE_URL must be the app\'s public address without a path, such as https://daybook.example')
  const operatorPassword = env.OPERATOR_PASSWORD || randomBytes(9).toString('base64url')
  check(operatorPassword.length >= 12, 'OPERATOR_PASSWORD must have 12 characters or more.')
  check(!env.SESSION_KEY || Buffer.from(env.SESSION_KEY, 'base64').length === 32, 'SESSION_KEY must be 32 bytes in base64, such as openssl rand -base64 32 prints.')
  const logLevel = env.LOG_LEVEL || 'warn'
  check(logLevels.includes(logLevel), `LOG_LEVEL must be one of ${logLevels.join(', ')}.`)
  const strays = ['CLOVER_APP_SECRET', 'CLOVER_LOW_TRUST', 'CLOVER_ENVIRONMENT', 'CLOVER_WEBHOOK_AUTH'].filter(name => env[name])
  check(Boolean(env.CLOVER_APP_ID) || strays.length === 0, `CLOVER_APP_ID must be set too: without it the simulator takes Clover's place, and ${strays.join(', ')} has no effect.`)
  check(!env.CLOVER_WEBHOOK_AUTH || /^[\x21-\x7e]{16,256}$/.test(env.CLOVER_WEBHOOK_AUTH), 'CLOVER_WEBHOOK_AUTH must be the Clover Auth Code of the developer dashboard: 16 characters or more, no spaces.')
  const realClover = env.CLOVER_APP_ID ? readRealClover(env, env.CLOVER_APP_ID, check) : undefined

  return {
    host: env.HOST || 'localhost',
    port,
    baseUrl,
    database: env.DATABASE || fileURLToPath(new URL('data/daybook.sqlite', import.meta.url)),
    sessionKey: env.SESSION_KEY || undefined,
    operatorPassword,
    logLevel,
    realClover,
    webhookAuth: env.CLOVER_WEBHOOK_AUTH || undefined,
    simulatorPort,
    accessTokenLifetime
  }
}

function wholeNumber (env: NodeJS.ProcessEnv, check: Check, name: string, fallback: number, min: number, max: number): number {
  const value = Number(env[name] || fallback) // a variable that is set to nothing is not set
  check(Number.isInteger(value) && value >= min && value <= max, `${name} must be a whole number from ${min} to ${max}.`)
  return value
}

function readRealClover (env: NodeJS.ProcessEnv, appId: string, check: Check): RealClover {
  const { CLOVER_APP_SECRET: secret, CLOVER_ENVIRONMENT: environment, COOKIE_SECRET: cookieSecret = '' } = env
  const isLowTrust = env.CLOVER_LOW_TRUST === '1'
  check(!env.CLOVER_LOW_TRUST || isLowTrust, 'CLOVER_LOW_TRUST must be 1, or not set.')
  check(Boolean(secret) !== Boolean(env.CLOVER_LOW_TRUST), 'CLOVER_APP_SECRET must be the App Secret; a low-trust app has none and sets CLOVER_LOW_TRUST=1 instead.')
  check(isEnvironmentName(environment), `CLOVER_ENVIRONMENT must be one of ${Object.keys(environments).join(', ')}.`)
  check(cookieSecret.length >= 32, 'COOKIE_SECRET must have 32 characters or more, such as openssl rand -base64 32 prints.')
  check(Boolean(env.BASE_URL), 'BASE_URL must be set: Clover sends merchants back to it.')
  return { environment: isEnvironmentName(environment) ? environment : 'sandbox', appId, appSecret: secret || false, cookieSecret }
}

function isEnvironmentName (name: string | undefined): name is EnvironmentName {
  return name !== undefined && Object.hasOwn(environments, name)
}
