/* The README's block about `onError` and the App Market: type-checked, never run. */
import { isCloverError, type CloverOptions } from 'fastify-clover'

export function errorPages (appMarketUrl: string, escapeHtml: (text: string) => string): Pick<CloverOptions, 'onError'> {
  return {
    onError: async (_request, reply, error) => {
      const canHelpItself = !isCloverError(error) || error.statusCode < 500
      const page = `<h1>That did not work</h1><p>${escapeHtml(error.message)}</p><p><a href="/clover/launch" target="_top">Try again</a></p>` +
        (canHelpItself ? `<p><a href="${escapeHtml(appMarketUrl)}" target="_top" rel="noreferrer">See the app in the App Market</a></p>` : '')
      return reply.type('text/html; charset=utf-8').send(page)
    }
  }
}
