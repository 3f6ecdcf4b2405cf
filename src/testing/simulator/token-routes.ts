import type { CallSubject, Endpoint } from './calls.js'
import type { SimulatedApp } from './directory.js'
import { refusal, type Outcome } from './outcome.js'
import {
  AnyTokenReply, ErrorReply, LegacyTokenQuery, LegacyTokenReply, MigrateBody, MigrateReply, RecoveryBody, RefreshBody, TokenBody, TokenQuery,
  SimulatedTokenReply
} from './wire.js'
import type { App, Parts } from './parts.js'

const badCode = () => refusal(401, 'Failed to validate authentication code.')
const badClient = () => refusal(401, 'Failed to validate the client credentials.')
const badRefreshToken = (recoverable: boolean) =>
  refusal(401, 'Invalid refresh token', recoverable ? { 'X-Clover-Recovery-Available': 'true' } : {})
const badRecoveryToken = () => refusal(401, 'Invalid recovery token')
const done = (body: object): Outcome => ({ status: 200, body })

/**
 * The endpoints that issue tokens: v2, the migration, and v1.
 *
 * They accept only JSON; anything else gets 415. Source: https://docs.clover.com/docs/use-oauth
 */
export async function tokenRoutes (app: App, { directory, ledger, handler, settings }: Parts): Promise<void> {
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string', bodyLimit: 65_536 }, parseJson)

  app.post('/oauth/v2/token', {
    schema: { body: TokenBody, querystring: TokenQuery, response: { 200: AnyTokenReply, '4xx': ErrorReply, '5xx': ErrorReply } },
    errorHandler: handler.refuse('token')
  }, (request, reply) => {
    const { client_id: appId, client_secret: secret, code, code_verifier: verifier } = request.body
    return handler.serve(request, reply, about('token', appId, ledger.codeOwner(code)?.merchant.id, code), () => {
      const app = directory.app(appId)
      if (app === undefined || !authenticates(app, secret)) return badClient()
      if (app.secret === false && verifier === undefined) return refusal(400, 'code_verifier is required.')
      const installation = ledger.redeem(code, app, { legacy: false, verifier })
      if (installation === undefined) return badCode()
      return done(request.query.no_refresh_token === 'true' ? ledger.issueAccess(installation) : ledger.issuePair(installation))
    })
  })

  app.post('/oauth/v2/refresh', {
    schema: { body: RefreshBody, response: { 200: SimulatedTokenReply, '4xx': ErrorReply, '5xx': ErrorReply } },
    errorHandler: handler.refuse('refresh')
  }, (request, reply) => {
    const { client_id: appId, refresh_token: token } = request.body
    return handler.serve(request, reply, about('refresh', appId, ledger.chains.owner(token)?.merchant.id, token), () => {
      const app = directory.app(appId)
      if (app === undefined) return badClient()
      const pair = ledger.refresh(token, app)
      if (pair !== undefined) return done(pair)
      return badRefreshToken(settings.unknowns.recoveryHeader && ledger.chains.isRecoverable(token))
    })
  })

  app.post('/oauth/v2/recovery', {
    schema: { body: RecoveryBody, response: { 200: SimulatedTokenReply, '4xx': ErrorReply, '5xx': ErrorReply } },
    errorHandler: handler.refuse('recovery')
  }, (request, reply) => {
    const { client_id: appId, client_secret: secret, recovery_token: token } = request.body
    return handler.serve(request, reply, about('recovery', appId, ledger.chains.owner(token)?.merchant.id, token), () => {
      const app = directory.app(appId)
      if (app === undefined || app.secret === false || !authenticates(app, secret)) return badClient()
      const pair = ledger.recover(token, app)
      return pair === undefined ? badRecoveryToken() : done(pair)
    })
  })

  app.post('/oauth/token/migrate_v2', {
    schema: { body: MigrateBody, response: { 200: MigrateReply, '4xx': ErrorReply, '5xx': ErrorReply } },
    errorHandler: handler.refuse('migrate')
  }, (request, reply) => {
    const { merchant_uuid: merchant, app_uuid: appId, auth_token: token, code_challenge: challenge } = request.body
    return handler.serve(request, reply, about('migrate', appId, directory.merchant(merchant)?.id, token), () => {
      if (directory.app(appId)?.secret === false && challenge === undefined) return refusal(400, 'code_challenge is required.')
      const issued = ledger.migrate(token, appId, merchant, challenge)
      if (issued === undefined) return refusal(401, 'Failed to validate the auth token.')
      return done({ authorization_code: issued.code, expiration: issued.until })
    })
  })

  app.get('/oauth/token', {
    schema: { querystring: LegacyTokenQuery, response: { 200: LegacyTokenReply, '4xx': ErrorReply, '5xx': ErrorReply } },
    errorHandler: handler.refuse('legacyToken')
  }, (request, reply) => {
    const { client_id: appId, client_secret: secret, code } = request.query
    return handler.serve(request, reply, about('legacyToken', appId, ledger.codeOwner(code)?.merchant.id, code), () => {
      const app = directory.app(appId)
      if (app === undefined || app.secret === false || !authenticates(app, secret)) return badClient()
      const installation = ledger.redeem(code, app, { legacy: true })
      return installation === undefined ? badCode() : done({ access_token: ledger.issueLegacy(installation) })
    })
  })

  function about (endpoint: Endpoint, appId: string, merchantId: string | undefined, presented: string): CallSubject {
    return { endpoint, appId: directory.app(appId)?.id, merchantId, presented }
  }
}

function authenticates (app: SimulatedApp, secret: string | undefined): boolean {
  return app.secret === false || app.secret === secret
}
