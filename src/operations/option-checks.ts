import { isForTrials } from '../environments.js'
import type { DiagnosisContext } from './context.js'
import { found, ok, type Finding } from './finding.js'
import { weaknessOf } from './weak-secret.js'

const makeSecret = 'Make one with: openssl rand -base64 32. Put it in front of the old one in an array, so that launches in progress still end well.'

/** @internal The options of the registration: what the boot accepts, and what is dangerous all the same. Calls nothing. */
export function * optionFindings (context: Pick<DiagnosisContext, 'options'>): Generator<Finding, void, undefined> {
  const { options } = context
  /** What is an error where there are real merchants is a warning in the sandbox and with a simulator. */
  const severity = isForTrials(options.environment) ? 'warning' : 'error'
  yield appSecret(context)
  yield cookieSecret(context, severity)
  yield dangerousOptions(context, severity)
  yield baseUrl(context)
  yield certificates()
  yield keepAlive(context)
  yield webhookAuth(context)
}

type Given = Pick<DiagnosisContext, 'options'>
type Severity = 'warning' | 'error'

/** Whether Clover accepts the secret is seen at an authorization only: every other call that has it would need a code or a token to spend. */
function appSecret ({ options: { appSecret, appId } }: Given): Finding {
  if (appSecret === false) return ok('app-secret', 'The app is low trust: it uses PKCE, and has no recovery.')
  return appSecret === appId
    ? found('app-secret', 'error', 'appSecret is the App ID.', 'Take the App Secret from the app\'s settings in Clover\'s developer dashboard.')
    : ok('app-secret', 'The app is high trust: it has an App Secret. Only an authorization shows whether it is the right one.')
}

function cookieSecret ({ options: { cookieSecrets, appSecret } }: Given, severity: Severity): Finding {
  if (cookieSecrets.length === 0) return found('cookie-secret', 'not-checked', 'There is none, and no route of this registration needs one.')
  const [weakness] = cookieSecrets.flatMap(secret => weaknessOf(secret) ?? [])
  if (weakness !== undefined) return found('cookie-secret', severity, `cookieSecret can be guessed: ${weakness}. Whoever knows it can connect a visitor's browser to another merchant.`, makeSecret)
  if (cookieSecrets.some(secret => secret === appSecret)) return found('cookie-secret', 'warning', 'cookieSecret is the App Secret: one that leaks takes the other with it.', makeSecret)
  return ok('cookie-secret', 'Nothing shows that cookieSecret could be guessed.')
}

function dangerousOptions ({ options: { trustMerchantId, implicit } }: Given, severity: Severity): Finding {
  if (trustMerchantId) {
    return found('dangerous-options', severity, 'dangerouslyTrustMerchantId is on: whoever edits the callback\'s URL can pose as another merchant.',
      'Enable the Read merchant permission for the app in Clover\'s developer dashboard, install it again, and remove the option.')
  }
  if (implicit) return found('dangerous-options', severity, 'dangerouslyUseImplicitFlow is on: whoever has a merchant\'s token of any app can pose as that merchant.', 'Remove the option. It is for trying things in the sandbox.')
  return ok('dangerous-options', 'No option that begins with dangerously is on.')
}

/** The boot accepts plain http on a loopback host only. */
function baseUrl ({ options: { baseUrl, environment } }: Given): Finding {
  if (baseUrl === '') return found('base-url', 'not-checked', 'There is none, and no route of this registration needs one.')
  if (baseUrl.startsWith('https:')) return ok('base-url', `baseUrl is ${baseUrl}.`)
  return isForTrials(environment)
    ? ok('base-url', `baseUrl is ${baseUrl}, which the sandbox and a simulator accept.`)
    : found('base-url', 'error', `baseUrl is ${baseUrl}: no merchant's browser reaches it, and Clover takes plain http in the sandbox only.`, 'Set baseUrl to the public https address of the app.')
}

function certificates (): Finding {
  return process.env.NODE_TLS_REJECT_UNAUTHORIZED === '0'
    ? found('certificates', 'error', 'NODE_TLS_REJECT_UNAUTHORIZED is 0: this process takes any server for Clover, and sends it the App Secret and the tokens.', 'Remove the variable. A certificate authority of your own belongs into NODE_EXTRA_CA_CERTS.')
    : ok('certificates', 'Node checks the certificates of servers.')
}

function keepAlive ({ options: { keepAlive, lacksKeepAlive, flow } }: Given): Finding {
  if (keepAlive !== false) return ok('keep-alive', `Keep-alive makes a pass every ${keepAlive.every} seconds.`)
  if (flow === 'v1') return ok('keep-alive', 'Keep-alive is off, and v1 tokens cannot be refreshed.')
  const lost = 'a merchant whom no handler asks for in a year, or in the two weeks after a crash during a refresh, must authorize again'
  return lacksKeepAlive
    ? found('keep-alive', 'warning', `Keep-alive is off, since the storage adapter has no list: ${lost}.`, 'Add list to the adapter, or take a ready one.')
    : found('keep-alive', 'warning', `Keep-alive is off in this process: unless another one makes passes, ${lost}.`, 'Remove keepAlive: false, or run clover.keepAlive(), or the command keep-alive, in a cron job.')
}

function webhookAuth ({ options: { routes: { webhook } } }: Given): Finding {
  if (webhook === false) return found('webhook-auth', 'not-checked', 'The webhook route is off.')
  return webhook.auth.length === 0
    ? found('webhook-auth', 'warning', 'routes.webhook.auth is not set: the route answers only Clover\'s verification, and refuses events.', 'Verify the address in Clover\'s developer dashboard, and set auth to the Clover Auth Code that it shows then.')
    : ok('webhook-auth', 'The webhook route has a Clover Auth Code.')
}
