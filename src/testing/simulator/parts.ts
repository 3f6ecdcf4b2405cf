import type {
  FastifyBaseLogger, FastifyInstance, RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerDefault
} from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { CallHandler } from './call-handler.js'
import type { Directory } from './directory.js'
import type { AppInstallations } from './app-installations.js'
import type { Ledger } from './ledger.js'
import type { Settings } from './options.js'
import type { Mint } from './random.js'
import type { Sessions } from './sessions.js'
import type { Webhooks } from './webhooks.js'

/** The parts of the simulator that the routes use. */
export interface Parts {
  readonly settings: Settings
  readonly directory: Directory
  readonly installations: AppInstallations
  readonly ledger: Ledger
  readonly handler: CallHandler
  readonly mint: Mint
  readonly sessions: Sessions
  readonly webhooks: Webhooks
  /** The time in milliseconds. */
  readonly now: () => number
}

/** The simulator's server, with TypeBox schemas. */
export type App = FastifyInstance<
  RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, FastifyBaseLogger, TypeBoxTypeProvider
>
