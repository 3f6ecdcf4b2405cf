import type { Experiment } from '../experiment.js'
import { authorization, httpLocalhost, launch } from './authorization.js'
import { cap } from './cap.js'
import { codeLifetime, codeReuse, noRefreshToken } from './codes.js'
import { denial } from './denial.js'
import { legacy } from './legacy.js'
import { limits } from './limits.js'
import { challengeMethod, plainChallenge } from './pkce.js'
import { recovery, recoveryEnds } from './recovery.js'
import { refreshes } from './refreshes.js'
import { formBody, missingUserAgent } from './requests.js'
import { foreignMerchant, longWindow, startingAfter } from './rest.js'
import { claims, clock, implicit } from './tokens.js'
import { uninstall } from './uninstall.js'

/** @internal All experiments in the order in which they run: the denial before the first authorization, then by what they cost. */
export const experiments: readonly Experiment[] = [
  denial, authorization, httpLocalhost, launch, refreshes, recovery, recoveryEnds, codeReuse, noRefreshToken, challengeMethod, plainChallenge,
  missingUserAgent, formBody, foreignMerchant, longWindow, startingAfter, claims, clock, implicit, codeLifetime, legacy, limits, cap, uninstall
]
