import { Type, type Static } from '@sinclair/typebox'

/**
 * A switch for each thing about Clover that is not documented.
 *
 * An app should work with every setting. The defaults are what is most likely, or what Clover's own sentences suggest.
 */
export const Unknowns = Type.Object({
  accessTokenDiesAtRefresh: Type.Boolean({
    default: false, description: 'A refresh ends the access token of the pair that it replaces. Default: it lives to its end.'
  }),
  recovery: Type.Union([Type.Literal('once'), Type.Literal('reusable')], {
    default: 'once',
    description: '"once": a recovery spends its token, so that a lost answer loses the merchant. ' +
      '"reusable": the token recovers again until the new pair is used.'
  }),
  recoveryEndsWith: Type.Union([Type.Literal('refresh-token'), Type.Literal('either-token')], {
    default: 'refresh-token',
    description: 'Which use of the lost pair ends recovery: that of its refresh token, or of either of its tokens.'
  }),
  recoveryHeader: Type.Boolean({
    default: true, description: 'A refused refresh says X-Clover-Recovery-Available: true where recovery would work.'
  }),
  accessTokenSurvivesUninstall: Type.Boolean({ default: false, description: 'An access token works on after an uninstall.' }),
  refreshSurvivesUninstall: Type.Boolean({ default: false, description: 'A refresh token works on after an uninstall.' }),
  recoverySurvivesUninstall: Type.Boolean({ default: false, description: 'A recovery token works on after an uninstall.' }),
  legacyTokenDiesAtMigration: Type.Boolean({ default: false, description: 'migrate_v2 ends the v1 token that it is given.' }),
  denial: Type.Union([Type.Literal('error'), Type.Literal('error-and-description'), Type.Literal('bare')], {
    default: 'error-and-description',
    description: 'What a denial brings to the redirect URI: error=access_denied, with or without error_description, or nothing at all.'
  }),
  requireChallengeMethod: Type.Boolean({
    default: false, description: 'A code_challenge without code_challenge_method=S256 is refused.'
  }),
  foreignMerchant: Type.Union([Type.Literal(401), Type.Literal(404)], {
    default: 401, description: 'The status that another merchant\'s token gets at /v3/merchants/{mId}.'
  }),
  missingUserAgent: Type.Union([Type.Literal(400), Type.Literal(403), Type.Literal(false)], {
    default: 400,
    description: 'The status that a call to the token endpoints and to the API gets without a User-Agent, or with the one that Node sends by itself. ' +
      'Clover requires the header; what it does without is not documented. false: such a call is served.'
  }),
  longWindow: Type.Union([Type.Literal('cut'), Type.Literal('refused')], {
    default: 'cut',
    description: 'Orders of a window of more than 90 days. "cut": the last 90 days of it. "refused": status 400.'
  }),
  startingAfter: Type.Union([Type.Literal('inclusive'), Type.Literal('exclusive')], {
    default: 'inclusive',
    description: 'Whether a page of the ecommerce API begins with the element that starting_after names, as in Clover\'s examples, or after it.'
  }),
  launchParameter: Type.Union([Type.Literal('merchant_id'), Type.Literal('merchantId')], {
    default: 'merchant_id', description: 'The name under which a launch brings the merchant.'
  }),
  implicitParameters: Type.Union([Type.Literal('query'), Type.Literal('fragment')], {
    default: 'query', description: 'Where v1\'s implicit flow puts all but the token, which is in the fragment anyway.'
  }),
  echoState: Type.Boolean({ default: true, description: 'The redirect brings back the state that was sent.' }),
  httpLocalhost: Type.Boolean({
    default: true, description: 'A redirect URI may be plain http on a loopback host.'
  }),
  tokenEndpointsLimited: Type.Boolean({
    default: true, description: 'With rate limits on, calls to the token endpoints count towards the app\'s limits.'
  })
}, { additionalProperties: false, description: 'A switch for each thing about Clover that is not documented' })
export type Unknowns = Static<typeof Unknowns>
