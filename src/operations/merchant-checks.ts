import { checks } from '../clover/wire.js'
import { isCloverError, type CloverError } from '../errors.js'
import type { Installation } from '../installation.js'
import { isAhead, isRefusedFor, isToBeConfirmed, limits } from '../tokens/freshness.js'
import type { DiagnosisContext } from './context.js'
import { found, ok, type Finding } from './finding.js'
import { whyStorageFailed } from './storage-failure.js'

type MerchantContext = Pick<DiagnosisContext, 'app' | 'options' | 'store' | 'http' | 'clover' | 'accessTokens' | 'clock' | 'merchantId' | 'stop' | 'throwIfStopped'>

const reopen = 'Send the merchant\'s browser to the launch route.'

/**
 * @internal One merchant: the stored pair, a token from it, and what Clover lets the app do with that.
 *
 * The token is asked for as a handler does. So a refresh is made if the token has expired or is about to, and in no other case.
 */
export async function * merchantFindings (context: MerchantContext): AsyncGenerator<Finding, void, undefined> {
  const { merchantId, store, throwIfStopped } = context
  if (merchantId === undefined) {
    yield found('merchant', 'not-checked', 'No merchant was named.', 'Name a connected one: diagnose({ merchantId }), or --merchant in the command line.')
    return
  }
  let record: Installation | undefined
  try {
    record = await store.get(merchantId)
  } catch (error) {
    const isStorage = isCloverError(error, 'FST_CLOVER_STORAGE')
    yield found('merchant', 'error', isStorage ? `The record of merchant ${merchantId} cannot be read: ${whyStorageFailed(error)}.` : messageOf(error))
    return
  }
  if (record === undefined) {
    yield found('merchant', 'error', `Merchant ${merchantId} is not connected.`, reopen)
    return
  }
  yield pair(context, record)
  throwIfStopped()
  const token = await accessToken(context, merchantId)
  yield token.finding
  if (token.accessToken === undefined) return
  yield await readMerchant(context, merchantId, token.accessToken)
  yield await ecommerceKey(context, record, token.accessToken)
}

function pair ({ clock }: MerchantContext, record: Installation): Finding {
  const { merchantId, refreshToken, refreshTokenExpiration, refreshLease, reauthorizationRequired, confirmAt } = record
  const now = clock.now()
  const warning = (message: string, fix: string) => found('merchant', 'warning', message, fix)
  const pass = 'The next handler that asks for a token does it, or keep-alive: check that one process makes its passes.'
  if (reauthorizationRequired) {
    const next = isRefusedFor(reauthorizationRequired, now) ? `It is tried again at ${timeOf(reauthorizationRequired.retryAt)}.` : 'It is to be tried again now.'
    return found('merchant', 'error', `Clover refuses every stored token of merchant ${merchantId} since ${timeOf(reauthorizationRequired.since)}. ${next}`, `${reopen} If that is no remedy: the app may be uninstalled.`)
  }
  if (refreshToken === null) return ok('merchant', `Merchant ${merchantId} is connected with a v1 token, which is not refreshed.`)
  if (refreshLease && !isAhead(refreshLease.until, now, limits.lease)) {
    return warning(`A refresh of merchant ${merchantId} was cut off at about ${timeOf(refreshLease.until)}: its tokens may be lost, and are recovered within two weeks.`, pass)
  }
  if (refreshLease) return ok('merchant', `Merchant ${merchantId} is being refreshed just now.`)
  if (isToBeConfirmed(record, now)) return warning(`The pair of merchant ${merchantId} is doubtful since ${timeOf(Number(confirmAt) - limits.confirmation)}: it must be refreshed once more, which is due.`, pass)
  if (confirmAt !== undefined) return ok('merchant', `The pair of merchant ${merchantId} is doubtful, and is refreshed once more at ${timeOf(confirmAt)}.`)
  if (refreshTokenExpiration !== null && refreshTokenExpiration <= now) return found('merchant', 'error', `The refresh token of merchant ${merchantId} ended at ${timeOf(refreshTokenExpiration)}.`, reopen)
  return ok('merchant', `Merchant ${merchantId} is connected${refreshTokenExpiration === null ? '' : `; the refresh token ends at ${timeOf(refreshTokenExpiration)}`}.`)
}

async function accessToken ({ accessTokens, stop, throwIfStopped }: MerchantContext, merchantId: string): Promise<{ finding: Finding, accessToken?: string }> {
  try {
    const accessToken = await accessTokens.accessToken(merchantId, { signal: stop })
    return { accessToken, finding: ok('access-token', `Handlers get an access token of merchant ${merchantId}.`) }
  } catch (error) {
    throwIfStopped()
    return { finding: found('access-token', 'error', messageOf(error)) }
  }
}

/** `GET /v3/merchants/{mId}`, by which the plugin binds each new token to its merchant. Clover answers 401 for a missing permission too. */
async function readMerchant ({ clover, options: { trustMerchantId } }: MerchantContext, merchantId: string, accessToken: string): Promise<Finding> {
  const answer = await clover.merchant(merchantId, accessToken)
  if (answer.outcome === 'unclear') return found('read-merchant', 'warning', `Clover gave no usable answer (${answer.reason}).`, 'Try again.')
  if (answer.outcome === 'ok') {
    return answer.value === merchantId
      ? ok('read-merchant', 'The app may read the merchant.')
      : found('read-merchant', 'error', `The stored token of merchant ${merchantId} is another merchant's.`, `clover.disconnect('${merchantId}'), and have both merchants open the app again.`)
  }
  if (answer.status === 404) return found('read-merchant', 'error', `Clover knows no merchant ${merchantId} for this token.`, `clover.disconnect('${merchantId}'), and have the merchant open the app again.`)
  if (trustMerchantId) return found('read-merchant', 'not-checked', `Clover answers ${answer.status}: the app has no Read merchant permission, and dangerouslyTrustMerchantId does without.`)
  return found('read-merchant', 'error', `Clover answers ${answer.status} to a token that has not expired: the app has no Read merchant permission, or the merchant has uninstalled it. Without the permission nobody can connect.`,
    'Enable Read merchant among the requested permissions in Clover\'s developer dashboard, and have the merchant install the app again.')
}

/**
 * `GET /pakms/apikey`. An app without ecommerce is refused, and in order: only a record that has a key shows that the app uses it.
 *
 * Source: https://docs.clover.com/dev/docs/generate-ecommerce-api-key-or-pakms-key
 */
async function ecommerceKey (
  { app: { appId, environment }, http }: MerchantContext,
  { merchantId, ecommercePublicKey }: Installation,
  accessToken: string
): Promise<Finding> {
  const { ecommerce } = environment
  if (ecommerce === undefined) return found('ecommerce-key', 'not-checked', `The environment ${environment.name} has no service for it.`)
  const severity = ecommercePublicKey === undefined ? 'warning' : 'error'
  const endpoint = '/pakms/apikey'
  const answer = await http({ endpoint, url: new URL(endpoint, ecommerce), method: 'GET', accessToken })
  if (answer.outcome === 'unclear') return found('ecommerce-key', 'warning', `Clover gave no usable answer (${answer.reason}).`, 'Try again.')
  const { status, body } = answer
  if ((status === 401 || status === 403) && ecommercePublicKey === undefined) return found('ecommerce-key', 'not-checked', `Clover answers ${status}: the app is not set up for ecommerce. Nothing is missing unless it calls ecommercePublicKey().`)
  if (status !== 200) return found('ecommerce-key', severity, `Clover answers ${status} at ${endpoint}.`, 'Check the ecommerce settings and permissions of the app in Clover\'s developer dashboard.')
  if (!checks.ecommerceKeyReply.accepts(body)) return found('ecommerce-key', severity, `Clover's reply at ${endpoint} does not have the documented form.`, 'Check the ecommerce origin of the environment.')
  if (body.merchantUuid !== merchantId || body.developerAppUuid !== appId) return found('ecommerce-key', 'error', `The key at ${endpoint} is of another merchant or app.`, 'Check the App ID, and the ecommerce origin of the environment.')
  if (!body.active) return found('ecommerce-key', severity, 'Clover has disabled the merchant\'s key.', 'Ask Clover\'s developer support to enable it.')
  if (ecommercePublicKey !== undefined && ecommercePublicKey !== body.apiAccessKey) return found('ecommerce-key', 'error', 'The stored key is not the merchant\'s current one.', `Call clover.ecommercePublicKey('${merchantId}', { renew: true }).`)
  return ok('ecommerce-key', 'The merchant has an ecommerce key.')
}

/** Unix seconds as an operator reads them. */
function timeOf (seconds: number): string {
  const date = new Date(seconds * 1000)
  // A wrong clock may have written a time that no date has.
  return Number.isNaN(date.getTime()) ? 'an impossible time' : date.toISOString()
}

/** What the plugin's own error says: it has no secret, and says what to do. */
function messageOf (error: unknown): string {
  return (error as CloverError).message
}
