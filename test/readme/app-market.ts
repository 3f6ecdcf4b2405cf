/* The README's block about `onError` and the App Market: type-checked, never run. */
import type { CloverOptions } from 'fastify-clover'

export function errorPages (appMarketUrl: string, escapeHtml: (text: string) => string): Pick<CloverOptions, 'onError'> {
  return {
    onError: async (_request, reply, error) => {
      const page = `<h1>That did not work</h1><p>${escapeHtml(error.message)}</p><p><a href="/clover/launch" target="_top">Try again</a></p>` +
        (error.statusCode < 500 ? `<p><a href="${escapeHtml(appMarketUrl)}" target="_top" rel="noreferrer">See the app in the App Market</a></p>` : '')
      return reply.type('text/html; charset=utf-8').send(page)
    }
  }
}
