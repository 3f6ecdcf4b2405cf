import { authorizeUrl } from '../../clover/authorize.js'
import type { Session } from './session.js'

/** @internal Clover's authorize page without a browser: it may refuse wrong parameters before anybody has logged in. */
export interface AuthorizePages {
  /** Whether the page is refused with these changes of its parameters, and is not with others (`control`; by default none). */
  refuses (changes: Changes, control?: Changes): Promise<boolean>
}

type Changes = Record<string, string | undefined>

/** @internal Looks at Clover's authorize page without authorizing: nobody is logged in, so no code is spent. */
export function authorizePages ({ app, server, calls }: Session): AuthorizePages {
  async function isShown (changes: Changes): Promise<boolean> {
    const url = new URL(authorizeUrl(app, { redirectUri: server.redirectUri, state: 'probe', verifier: 'v'.repeat(43) }))
    for (const [name, value] of Object.entries(changes)) {
      if (value === undefined) url.searchParams.delete(name)
      else url.searchParams.set(name, value)
    }
    return await calls.page(url) < 400
  }

  return {
    refuses: async (changes, control = {}) => !await isShown(changes) && await isShown(control)
  }
}
