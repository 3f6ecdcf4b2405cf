import type { DiagnosisContext } from './context.js'
import { found, type Finding } from './finding.js'

/**
 * @internal The settings of Clover's developer dashboard, which no call can read: what to look at, with the values of this registration.
 */
export function * dashboardFindings ({ options: { baseUrl, appSecret, trustMerchantId }, urls }: Pick<DiagnosisContext, 'options' | 'urls'>): Generator<Finding, void, undefined> {
  const look = 'Look in the app\'s settings in Clover\'s developer dashboard.'
  if (urls.callback !== undefined) {
    yield found('dashboard-site-url', 'not-checked', `Clover's dashboard cannot be asked. The Site URL must be ${baseUrl}, or an address above ${urls.callback}.`, look)
  }
  if (urls.launch !== undefined) {
    yield found('dashboard-launch-path', 'not-checked', `Clover's dashboard cannot be asked. The Alternate Launch Path must lead to ${urls.launch}, and the default OAuth response must be Code.`, look)
  }
  yield found('dashboard-app-type', 'not-checked',
    `Clover's dashboard cannot be asked. The app must be ${appSecret === false ? 'low trust, since appSecret is false' : 'high trust, since it has an App Secret'}.`, look)
  if (!trustMerchantId) {
    yield found('dashboard-permissions', 'not-checked', 'Clover\'s dashboard cannot be asked. The permission Read merchant must be among the requested ones; a connected merchant shows it: diagnose({ merchantId }).', look)
  }
  if (urls.webhook !== undefined) {
    yield found('dashboard-webhook', 'not-checked', `Clover's dashboard cannot be asked. The webhook URL must be ${urls.webhook}.`, look)
  }
}
