import type { FastifyReply, FastifyRequest } from 'fastify'
import { badState } from '../errors.js'
import { checkClientId, redirectToClover, type RouteContext } from './context.js'
import { sendPage } from './pages.js'
import { forgetQuery } from './redaction.js'
import { safePath, wrongReturnTo } from './return-to.js'
import type { LaunchQuery } from './schemas.js'
import { Round } from './state.js'

/** Where Clover's dashboard shows an app in a frame, no cookie of the app arrives later, and Clover refuses to be framed. */
const framed = new Set(['iframe', 'frame', 'embed', 'object', 'fencedframe'])

/** @internal The launch route: a merchant opens the app. */
export function launchHandler (context: RouteContext) {
  return function launch (request: FastifyRequest<{ Querystring: LaunchQuery }>, reply: FastifyReply): FastifyReply {
    const { merchant_id: first, merchantId: second, client_id: clientId, return_to: returnTo } = request.query
    forgetQuery(request)
    checkClientId(context, clientId)
    if (first !== undefined && second !== undefined && first !== second) throw badState('merchant_id and merchantId are different: send one of them.')
    const merchantId = first ?? second
    const path = returnTo === undefined ? undefined : safePath(returnTo)
    if (returnTo !== undefined && path === undefined) throw badState(wrongReturnTo)
    if (framed.has(String(request.headers['sec-fetch-dest']))) return leaveFrame(context, reply, merchantId, path)
    return redirectToClover(context, request, reply, {
      round: Round.first, redirects: 0, ...(merchantId !== undefined && { merchantId }), ...(path !== undefined && { returnTo: path })
    })
  }
}

function leaveFrame ({ launchPath }: RouteContext, reply: FastifyReply, merchantId: string | undefined, returnTo: string | undefined): FastifyReply {
  const query = new URLSearchParams({ ...(merchantId !== undefined && { merchant_id: merchantId }), ...(returnTo !== undefined && { return_to: returnTo }) })
  return sendPage(reply, {
    title: 'Open the app',
    text: 'The app connects to Clover in a window of its own.',
    links: [{ href: query.size > 0 ? `${launchPath}?${query}` : String(launchPath), text: 'Continue' }]
  }, true)
}
