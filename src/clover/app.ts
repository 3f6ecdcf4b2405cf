import type { Environment } from '../environments.js'

/** @internal The app at Clover that a registration of the plugin is for. */
export interface CloverApp {
  environment: Environment
  appId: string
  /** `false`: a low-trust app, which proves itself by PKCE and has no recovery. */
  appSecret: string | false
  flow: 'v2' | 'v1'
  /** v1's implicit flow: Clover answers with a token instead of a code. */
  implicit?: boolean
}
