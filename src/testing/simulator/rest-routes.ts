import type { FastifyRequest } from 'fastify'
import type { Permissions } from './options.js'
import { refusal, type Outcome } from './outcome.js'
import type { Endpoint } from './calls.js'
import type { Access } from './ledger.js'
import { Element, ElementsReply, ErrorReply, MerchantParams, MerchantReply, PageQuery, PakmsReply } from './wire.js'
import type { App, World } from './world.js'

type Act = (access: Access) => Outcome
type Row = Record<string, unknown>
type Page = { limit?: string, offset?: string, orderBy?: string }

const errors = { '4xx': ErrorReply, '5xx': ErrorReply }
const notFound = () => refusal(404, 'Not Found')
const unauthorized = () => refusal(401, '401 Unauthorized')

/**
 * The REST API and the ecommerce key service.
 *
 * 401 stands for a bad token and for a missing permission alike. Source: https://docs.clover.com/dev/reference/api-reference-overview
 */
export async function restRoutes (app: App, { directory, ledger, desk, settings, mint, now }: World): Promise<void> {
  app.get('/v3/merchants/:mId', {
    schema: { params: MerchantParams, response: { 200: MerchantReply, ...errors } }, errorHandler: desk.refuse('merchant')
  }, (request, reply) => {
    const { mId } = request.params
    return desk.serve(request, reply, subject('merchant', request, mId), permitted(request, 'readMerchant', mId, ({ holding: { merchant } }) => {
      const [owner] = merchant.employees
      return { status: 200, body: { id: mId, name: merchant.name, href: href(request), owner } }
    }))
  })

  for (const [collection, permission, writePermission] of [['items', 'readInventory', 'writeInventory'], ['orders', 'readOrders', 'writeOrders']] as const) {
    app.get(`/v3/merchants/:mId/${collection}`, {
      schema: { params: MerchantParams, querystring: PageQuery, response: { 200: ElementsReply, ...errors } }, errorHandler: desk.refuse('rest')
    }, (request, reply) => {
      const { mId } = request.params
      return desk.serve(request, reply, subject('rest', request, mId), permitted(request, permission, mId, ({ holding: { merchant } }) =>
        ({ status: 200, body: { elements: page(merchant[collection], request.query), href: href(request) } })))
    })

    app.post(`/v3/merchants/:mId/${collection}`, {
      schema: { params: MerchantParams, body: Element, response: { 200: Element, ...errors } }, errorHandler: desk.refuse('rest')
    }, (request, reply) => {
      const { mId } = request.params
      return desk.serve(request, reply, subject('rest', request, mId), permitted(request, writePermission, mId, ({ holding: { merchant } }) => {
        const created = { ...request.body, id: mint.id() }
        merchant[collection] = [...merchant[collection], created]
        return { status: 200, body: created }
      }))
    })
  }

  app.all('/v3/*', { schema: { response: errors }, errorHandler: desk.refuse('rest') }, (request, reply) =>
    desk.serve(request, reply, subject('rest', request), permitted(request, undefined, undefined, notFound)))

  app.get('/pakms/apikey', { schema: { response: { 200: PakmsReply, ...errors } }, errorHandler: desk.refuse('pakms') }, (request, reply) =>
    desk.serve(request, reply, subject('pakms', request), permitted(request, 'ecommerce', undefined, ({ holding }) => {
      const { apiAccessKey, createdTime } = holding.pakms ??= { apiAccessKey: mint.apiAccessKey(), createdTime: now() }
      return {
        status: 200,
        body: {
          active: true, apiAccessKey, createdTime, modifiedTime: createdTime, developerAppUuid: holding.app.id, merchantUuid: holding.merchant.id
        }
      }
    })))

  function foreign (): Outcome {
    return settings.unknowns.foreignMerchant === 401 ? unauthorized() : notFound()
  }

  function subject (endpoint: Endpoint, request: FastifyRequest, mId?: string) {
    const presented = bearer(request)
    const holding = ledger.access(presented)?.holding
    const merchantId = mId === undefined ? holding?.merchant.id : directory.merchant(mId)?.id
    return { endpoint, appId: holding?.app.id, merchantId, presented }
  }

  // Looks the token up when the call is handled, which may be later than when it arrived.
  function permitted (request: FastifyRequest, permission: keyof Permissions | undefined, mId: string | undefined, act: Act) {
    return (): Outcome => {
      const token = bearer(request)
      const access = ledger.access(token)
      if (access === undefined) return unauthorized()
      if (access.chain !== undefined) ledger.chains.usedAccess(access.chain, token)
      if (mId !== undefined && mId !== access.holding.merchant.id) return foreign()
      if (permission !== undefined && !access.holding.app.permissions[permission]) return unauthorized()
      return act(access)
    }
  }
}

function bearer ({ headers }: FastifyRequest): string {
  return /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1] ?? ''
}

function href ({ protocol, host, url }: FastifyRequest): string {
  return `${protocol}://${host}${url}`
}

/** Source: https://docs.clover.com/dev/docs/sorting-collections; without orderBy the rows keep their order. */
function page (rows: readonly Row[], { limit = '100', offset = '0', orderBy = '' }: Page): Row[] {
  const orders = orderBy.split(',').filter(Boolean).map(order => order.trim().split(/\s+/))
  const compare = (a: Row, b: Row) => orders.reduce((result, [field = '', direction]) =>
    result || (direction?.toUpperCase() === 'DESC' ? -1 : 1) * rank(a[field], b[field]), 0)
  return rows.toSorted(compare).slice(Number(offset), Number(offset) + Math.min(1000, Number(limit)))
}

function rank (a: unknown, b: unknown): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b))
}
