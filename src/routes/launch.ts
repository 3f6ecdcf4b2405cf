import type { FastifyReply, FastifyRequest } from 'fastify'
import { badState } from '../errors.js'
import { checkClientId, redirectToClover, type RouteContext } from './context.js'
import { sendPage } from './pages.js'
import { forgetQuery } from './redaction.js'
import { safePath } from './return-to.js'
import type { LaunchQuery } from './schemas.js'
import { sentences } from './sentences.js'
import { Round } from './state.js'

/** Values of `Sec-Fetch-Dest` inside a frame, where the app's cookies would be lost and Clover refuses to be shown. */
const framed = new Set(['iframe', 'frame', 'embed', 'object', 'fencedframe'])

/** @internal The launch route: sends a merchant who opens the app to Clover's authorize page. */
export function launchHandler (context: RouteContext) {
  return function launch (request: FastifyRequest<{ Querystring: LaunchQuery }>, reply: FastifyReply): FastifyReply {
    const { merchant_id: first, merchantId: second, client_id: clientId, return_to: returnTo } = request.query
    forgetQuery(request)
    checkClientId(context, clientId)
    if (first !== undefined && second !== undefined && first !== second) throw badState(sentences.twoMerchants)
    const merchantId = first ?? second
    const path = returnTo === undefined ? undefined : safePath(returnTo)
    if (returnTo !== undefined && path === undefined) throw badState(sentences.wrongReturnTo)
    if (framed.has(String(request.headers['sec-fetch-dest']))) return leaveFrame(context, reply, merchantId, path)
    return redirectToClover(context, request, reply, {
      round: Round.first, redirects: 0, ...(merchantId !== undefined && { merchantId }), ...(path !== undefined && { returnTo: path })
    })
  }
}

function leaveFrame ({ launchPath }: RouteContext, reply: FastifyReply, merchantId: string | undefined, returnTo: string | undefined): FastifyReply {
  const query = new URLSearchParams({ ...(merchantId !== undefined && { merchant_id: merchantId }), ...(returnTo !== undefined && { return_to: returnTo }) })
  const { title, text, link } = sentences.framed
  return sendPage(reply, { title, text, links: [{ href: query.size > 0 ? `${launchPath}?${query}` : String(launchPath), text: link }] }, true)
}
