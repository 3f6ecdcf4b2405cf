import { access, constants } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { Type } from '@sinclair/typebox'
import { didYouMean } from '../../checks/did-you-mean.js'
import type { CloverApp } from '../../clover/app.js'
import { environmentNames, EnvironmentName, environments, isForTrials, isSecureUrl, originProblems, type Environment } from '../../environments.js'
import { MerchantId } from '../../installation.js'
import type { Io } from '../io.js'
import { readArguments } from '../read-arguments.js'
import { messageOf, UsageError } from '../usage-error.js'

const id = '13 characters of A-Z and 0-9'
const names = Type.String({ pattern: '^[a-z-]+(?:,[a-z-]+)*$', must: 'names of experiments with commas between them' })
const flag = Type.Boolean({ must: 'given without a value' })

const options = Type.Partial(Type.Object({
  environment: Type.Union(EnvironmentName.anyOf, { must: `${environmentNames.slice(0, -1).join(', ')} or ${environmentNames.at(-1)}` }),
  origin: Type.String({ must: 'the origin of a simulator on this machine, such as http://localhost:4000' }),
  'i-may-disconnect-real-merchants': flag,
  'app-id': Type.String({ pattern: MerchantId.pattern as string, must: id }),
  port: Type.Integer({ minimum: 0, maximum: 65_535, must: 'a port, or 0 for a free one' }),
  'base-url': Type.String({ must: 'an https origin without a path, such as https://probe.example' }),
  merchant: Type.String({ pattern: MerchantId.pattern as string, must: id }),
  'other-merchant': Type.String({ pattern: MerchantId.pattern as string, must: id }),
  wait: Type.Number({ minimum: 1, maximum: 86_400, must: 'a number of seconds from 1 to 86400' }),
  only: names,
  skip: names,
  out: Type.String({ must: 'the name of a file' }),
  yes: flag,
  json: flag
}))

/** @internal What the probe was asked to do. */
export interface Settings {
  app: CloverApp
  port: number
  /** The address of a tunnel to the port; undefined: the browser opens localhost. */
  baseUrl: string | undefined
  /** The merchant whom Clover's picker need not ask for. */
  merchant: string | undefined
  /** Another merchant of the same Clover, who is only named. */
  otherMerchant: string | undefined
  /** Seconds. */
  wait: number | undefined
  /** A v1 token of the merchant. */
  legacyToken: string | undefined
  /** The names of the experiments that run. */
  chosen: ReadonlySet<string>
  /** The file of the report; undefined: one that is named after the date. */
  out: string | undefined
  yes: boolean
  json: boolean
}

/**
 * @internal Reads the arguments and the environment variables.
 *
 * @param experiments the names of all experiments
 * @throws UsageError with a sentence
 */
export async function readSettings (args: string[], experiments: readonly string[], io: Pick<Io, 'env' | 'isTerminal'>): Promise<Settings> {
  const { options: given } = readArguments('probe', args, [], options)
  const { json = false, yes = false, port = 3000, merchant, wait, out } = given
  const environment = environmentOf(given.origin, given.environment ?? 'sandbox', given['i-may-disconnect-real-merchants'] === true)
  const baseUrl = given['base-url']
  if (baseUrl !== undefined && !isOrigin(baseUrl)) throw new UsageError('--base-url must be an https origin without a path, such as https://probe.example.')
  if (!yes && !io.isTerminal) throw new UsageError('the probe asks before each experiment that may cost something: run it on a terminal, or give --yes for no questions.')
  await requireFolder(out)
  return {
    app: { environment, appId: appIdOf(given['app-id'], io), appSecret: secretOf(io), flow: 'v2' },
    port,
    baseUrl,
    merchant,
    otherMerchant: given['other-merchant'],
    wait,
    legacyToken: io.env.CLOVER_LEGACY_TOKEN || undefined,
    chosen: choose(experiments, given.only, given.skip),
    out,
    yes,
    json
  }
}

function environmentOf (origin: string | undefined, name: EnvironmentName, isDaring: boolean): Environment {
  if (origin !== undefined) {
    const own = { name: 'simulator', authorize: origin, api: origin, legacy: origin, ecommerce: origin }
    if (originProblems(own).length > 0 || !isForTrials(own)) throw new UsageError('--origin must be the origin of a simulator on this machine, such as http://localhost:4000.')
    return own
  }
  if (name !== 'sandbox' && !isDaring) {
    throw new UsageError(`${name} has real merchants, whom the probe may disconnect: use the sandbox, or give --i-may-disconnect-real-merchants.`)
  }
  return { ...environments[name] }
}

function isOrigin (text: string): boolean {
  return URL.canParse(text) && isSecureUrl(new URL(text)) && new URL(text).origin === text
}

function appIdOf (given: string | undefined, { env }: Pick<Io, 'env'>): string {
  const appId = given ?? env.CLOVER_APP_ID
  if (appId === undefined || appId === '') throw new UsageError('give the App ID of an app in Clover\'s sandbox, by --app-id or CLOVER_APP_ID.')
  if (!new RegExp(String(MerchantId.pattern)).test(appId)) throw new UsageError(`CLOVER_APP_ID must be ${id}.`)
  return appId
}

function secretOf ({ env }: Pick<Io, 'env'>): string | false {
  const secret = env.CLOVER_APP_SECRET
  if (secret === undefined || secret === '') return false
  if (secret.trim() !== secret) throw new UsageError('CLOVER_APP_SECRET has a blank or a line break at one of its ends: remove it.')
  return secret
}

function choose (experiments: readonly string[], only: string | undefined, skip = ''): Set<string> {
  const wanted = only?.split(',') ?? experiments
  const unwanted = skip.split(',')
  for (const name of [...wanted, ...unwanted.filter(Boolean)]) {
    if (!experiments.includes(name)) throw new UsageError(`${name} is no experiment${didYouMean(name, experiments) || ': see fastify-clover probe --help.'}`)
  }
  return new Set(wanted.filter(name => !unwanted.includes(name)))
}

/** The report is written at the end: a folder that cannot be written must not be noticed only then. */
async function requireFolder (out: string | undefined): Promise<void> {
  try {
    await access(out === undefined ? '.' : dirname(resolve(out)), constants.W_OK)
  } catch (error) {
    throw new UsageError(`the report cannot be written, choose a file with --out: ${messageOf(error)}`)
  }
}
