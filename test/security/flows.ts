import { apiCalls } from './flows-api.js'
import { callbacks, implicit } from './flows-browser.js'
import { jobs } from './flows-jobs.js'
import { connections, operators } from './flows-tokens.js'
import { webhooks } from './flows-webhook.js'

/** Everything that can happen. A new capability adds its flows here, and its faults to `faults.ts`. */
export const flows = [...connections, ...callbacks, ...implicit, ...operators, ...apiCalls, ...webhooks, ...jobs]
