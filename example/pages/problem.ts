import type { FastifyReply, FastifyRequest } from 'fastify'
import { isCloverError, type CloverErrorCode } from 'fastify-clover'
import { html } from './html.js'
import { sendPage } from './page.js'

interface Problem {
  title: string
  text: string
  link: { href: string, text: string }
}

const titles: Partial<Record<CloverErrorCode, string>> = {
  FST_CLOVER_DENIED: 'The shop was not connected',
  FST_CLOVER_STATE: 'The app could not be opened',
  FST_CLOVER_MERCHANT_MISMATCH: 'That was another shop',
  FST_CLOVER_PERMISSION: 'A permission is missing'
}

/** Answers an error: a browser gets a page that says what to do, any other client gets JSON. */
export function sendProblem (request: FastifyRequest, reply: FastifyReply, error: Error): FastifyReply {
  const statusCode = 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500
  // What the plugin says of itself is in its log already.
  if (statusCode >= 500) request.log[isCloverError(error) ? 'warn' : 'error']({ err: error }, 'A request failed')
  if (isCloverError(error) && error.headers) reply.headers(error.headers)
  reply.code(statusCode)
  if (!String(request.headers.accept).includes('text/html')) {
    return reply.send({ statusCode, ...(isCloverError(error) && { code: error.code }), message: isHidden(error, statusCode) ? 'Something went wrong.' : error.message })
  }
  const { title, text, link } = explain(error, statusCode)
  return sendPage(reply, {
    title,
    isLoggedIn: request.session.get('merchantId') !== undefined,
    main: html`<section class="hero">
<h1>${title}</h1>
<p>${text}</p>
<p><a class="button primary" href="${link.href}">${link.text}</a></p>
${isCloverError(error) && html`<p class="soft"><code>${error.code}</code></p>`}
</section>`
  })
}

/** What the three errors that a handler meets mean to a merchant; others bring a message that says what to do. */
function explain (error: Error, statusCode: number): Problem {
  if (isCloverError(error, 'FST_CLOVER_NOT_CONNECTED')) {
    return {
      title: 'This shop is not connected',
      text: 'Daybook holds no tokens for it. Connect it, and you are back in a moment.',
      link: { href: error.launchUrl ?? '/clover/launch', text: 'Connect with Clover' }
    }
  }
  if (isCloverError(error, 'FST_CLOVER_REAUTHORIZATION_REQUIRED')) {
    return {
      title: 'Clover wants your approval again',
      text: 'It accepts none of the tokens that Daybook holds for this shop. This happens when the app was uninstalled.',
      link: { href: error.launchUrl ?? '/clover/launch', text: 'Approve again' }
    }
  }
  if (isCloverError(error, 'FST_CLOVER_UNAVAILABLE')) {
    return { title: 'Clover does not answer just now', text: `Nothing is lost. Try again in ${error.retryAfter ?? 1} s.`, link: { href: '/', text: 'Try again' } }
  }
  if (isCloverError(error) && error.code in titles) {
    return { title: titles[error.code] ?? '', text: error.message, link: { href: '/clover/launch', text: 'Try again' } }
  }
  const title = statusCode === 404 ? 'Not here' : 'That did not work'
  return { title, text: isHidden(error, statusCode) ? 'The server has noted what went wrong.' : error.message, link: { href: '/', text: 'To the first page' } }
}

/** Errors that nobody expected may say too much. */
function isHidden (error: Error, statusCode: number): boolean {
  return statusCode >= 500 && !isCloverError(error)
}
