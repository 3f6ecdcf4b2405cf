import { share } from '../harness/share.js'
import { apiCalls } from './flows-api.js'
import { callbacks, implicit } from './flows-browser.js'
import { jobs } from './flows-jobs.js'
import { connections, operators } from './flows-tokens.js'
import { webhooks } from './flows-webhook.js'

/** Everything that can happen. A new capability adds its flows here, and its faults to `faults.ts`. */
export const flows = [...connections, ...callbacks, ...implicit, ...operators, ...apiCalls, ...webhooks, ...jobs]

/** The flows of a host that logs all it can, which shows more of requests: in the short share those of the routes, and every third of the others. */
export const verboseFlows = share([...callbacks, ...implicit, ...webhooks, ...[...connections, ...operators, ...apiCalls, ...jobs].filter((_, index) => index % 3 === 1)], flows)
