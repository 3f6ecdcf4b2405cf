/*
 * fastify-clover: connects Clover merchants to a Fastify server by OAuth, and keeps them connected.
 */
import { plugin } from './plugin.js'

export default plugin
export { plugin as fastifyClover }
export type { Clover } from './decorator.js'
export { diagnosticsChannels } from './events/channels.js'
export { environments, Environment, EnvironmentName, EnvironmentOption } from './environments.js'
export { errorCodes, isCloverError, type CloverError, type CloverErrorClass, type CloverErrorCode } from './errors.js'
export type {
  CloverConnection, CloverEvent, CloverGuardedRouteOptions, CloverOptions, CloverRefreshRouteOptions, CloverRoute, CloverRouteOptions, CloverRoutes,
  CloverWebhookRouteOptions
} from './options/options.js'
export type { MerchantHook, MerchantSource } from './routes/require-merchant.js'
export { CallbackQuery, ErrorReply, ImplicitBody, LaunchQuery, RefreshBody, RefreshReply, routeSchemas, WebhookBody, WebhookEvent, WebhookVerification } from './routes/schemas.js'
export { KeepAliveSummary, type KeepAliveOptions } from './jobs/keep-alive-options.js'
export { DueOutcome, type DueOptions } from './jobs/due-options.js'
export { LegacyToken, MigrationOutcome, MigrationProgress, type MigrationOptions } from './jobs/migration-options.js'
export type { CloverStorage, ListPage, ListQuery } from './storage/contract.js'
export {
  AccessTokenReply, EcommerceKeyReply, LegacyTokenReply, MerchantReply, MigrationReply, TokenReply
} from './clover/wire.js'
export { diagnosticsSchemas, type DiagnosticsEvent, type DiagnosticsEventType } from './events/table.js'
export { Installation, InstallationSummary, UnusableInstallation, MerchantId, isMerchantId } from './installation.js'
export { CloverSummary, type ListedInstallation, type MerchantState, type SummaryOptions } from './operations/summary.js'
export { AdoptedTokens } from './tokens/adoption.js'
export type { AccessTokenOptions } from './tokens/access-tokens.js'
export type { CloverFetchInit } from './api/fetch-init.js'
export type { PaginateOptions } from './api/paginate.js'
export type { DiagnoseOptions } from './operations/diagnose.js'
export { Finding } from './operations/finding.js'
