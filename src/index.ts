/*
 * fastify-clover: connects Clover merchants to a Fastify server by OAuth, and keeps them connected.
 */
import { plugin } from './plugin.js'

export default plugin
export { plugin as fastifyClover }
export type { Clover } from './decorator.js'
export { environments, Environment, EnvironmentName, EnvironmentOption } from './environments.js'
export { errorCodes, isCloverError, type CloverError, type CloverErrorCode } from './errors.js'
export type {
  CloverConnection, CloverOptions, CloverRefreshRouteOptions, CloverRoute, CloverRouteOptions, CloverRoutes
} from './options.js'
export { CallbackQuery, ErrorReply, LaunchQuery, RefreshBody, RefreshReply, routeSchemas } from './routes/schemas.js'
export type { CloverStorage, ListPage, ListQuery } from './storage/contract.js'
export {
  AccessTokenReply, EcommerceKeyReply, LegacyTokenReply, MerchantReply, MigrationReply, TokenReply
} from './clover/wire.js'
export { Installation, InstallationSummary, MerchantId, isMerchantId } from './tokens/installation.js'
export { AdoptedTokens } from './tokens/connections.js'
export type { AccessTokenOptions } from './tokens/keeper.js'
