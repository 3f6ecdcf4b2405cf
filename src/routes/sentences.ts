import { maxReturnTo } from './return-to.js'

const openAgain = 'open the app from Clover again.'

/**
 * @internal Every text that a merchant reads in the browser, except the messages of `src/errors.ts`, which the error page shows too.
 * The end of the message about a refused code is in `src/tokens/connections.ts`. JSON clients and `onError` get the messages as well.
 *
 * A sentence says what happened and what to do next. None of it is escaped.
 */
export const sentences = {
  /** The page for a launch inside a frame. */
  framed: { title: 'Open the app', text: 'The app connects to Clover in a window of its own.', link: 'Continue' },

  /** The page that posts the token of the implicit flow. */
  implicit: { title: 'One moment', text: 'The app is being connected.', noScript: `This page needs JavaScript: allow it for this site, and ${openAgain}` },

  /** The error page. */
  error: {
    denied: 'The app was not connected',
    server: 'That did not work just now',
    request: 'The app could not be opened',
    tryAgain: 'Try again',
    appMarket: 'See the app in Clover\'s App Market'
  },

  wrongReturnTo: `return_to must be a path of this app, such as /orders, of ${maxReturnTo} characters at most.`,
  twoMerchants: 'merchant_id and merchantId are different: send one of them.',
  wrongClientId: 'client_id belongs to another app: check the App ID, and the app\'s Site URL in Clover\'s developer dashboard.',
  wrongParameter: (name: string) => `The link is damaged (${name}): ${openAgain}`,
  wrongForm: `The form does not come from this site's page: ${openAgain}`,
  otherSite: `The request did not come from a page of this site: ${openAgain}`,
  unknownState: `The authorization did not start in this browser, took too long, or was used before: ${openAgain}`,
  redirectLoop: `The browser went back and forth between this site and Clover several times without success: wait half a minute, and ${openAgain}`,
  noCookies: `The browser did not send back the cookie that this site set: allow cookies for this site, and ${openAgain}`,
  noParameters: `The address lacks the parameters that Clover adds: ${openAgain}`,
  noMerchantId: `merchant_id is missing: ${openAgain}`,
  nothingSent: (missing: 'token' | 'authorization code') => `Clover sent no ${missing}. Open the app from Clover again, and approve it.`,
  /** `code`: the error code of OAuth, or empty. */
  notApproved: (code: string) => `the app was not approved${code === '' ? '' : ` (${code})`}. To connect, open the app from Clover again and approve it.`
}
