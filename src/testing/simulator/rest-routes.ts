import type { Static } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { filtered, list, page, parseFilters, recent, type Row } from './collections.js'
import type { SimulatedMerchant } from './directory.js'
import type { Permissions } from './options.js'
import { refusal, type Outcome } from './outcome.js'
import type { Endpoint } from './calls.js'
import type { Access } from './ledger.js'
import { Element, ElementsReply, ErrorReply, ListQuery, ListReply, MerchantParams, MerchantReply, PageQuery, PakmsReply } from './wire.js'
import type { App, Parts } from './parts.js'

type Act = (access: Access) => Outcome
type PageOfQuery = Static<typeof PageQuery>

const errors = { '4xx': ErrorReply, '5xx': ErrorReply }
const notFound = () => refusal(404, 'Not Found')
const unauthorized = () => refusal(401, '401 Unauthorized')

/**
 * The REST API and the ecommerce key service.
 *
 * 401 is the answer both to a bad token and to a missing permission. Source: https://docs.clover.com/dev/reference/api-reference-overview
 */
export async function restRoutes (app: App, { directory, ledger, handler, settings, mint, now }: Parts): Promise<void> {
  app.get('/v3/merchants/:mId', {
    schema: { params: MerchantParams, response: { 200: MerchantReply, ...errors } }, errorHandler: handler.refuse('merchant')
  }, (request, reply) => {
    const { mId } = request.params
    return handler.serve(request, reply, subject('merchant', request, mId), permitted(request, 'readMerchant', mId, ({ installation: { merchant } }) => {
      const [owner] = merchant.employees
      return { status: 200, body: { id: mId, name: merchant.name, href: href(request), owner } }
    }))
  })

  for (const [collection, permission, writePermission] of [['items', 'readInventory', 'writeInventory'], ['orders', 'readOrders', 'writeOrders']] as const) {
    app.get(`/v3/merchants/:mId/${collection}`, {
      schema: { params: MerchantParams, querystring: PageQuery, response: { 200: ElementsReply, ...errors } }, errorHandler: handler.refuse('rest')
    }, (request, reply) => {
      const { mId } = request.params
      return handler.serve(request, reply, subject('rest', request, mId), permitted(request, permission, mId, ({ installation: { merchant } }) => {
        const rows = select(merchant, collection, request.query)
        return 'status' in rows ? rows : { status: 200, body: { elements: page(rows, request.query), href: href(request) } }
      }))
    })

    app.post(`/v3/merchants/:mId/${collection}`, {
      schema: { params: MerchantParams, body: Element, response: { 200: Element, ...errors } }, errorHandler: handler.refuse('rest')
    }, (request, reply) => {
      const { mId } = request.params
      return handler.serve(request, reply, subject('rest', request, mId), permitted(request, writePermission, mId, ({ installation: { merchant } }) => {
        const created = { ...(collection === 'orders' && { createdTime: now() }), ...request.body, id: mint.id() }
        merchant[collection] = [...merchant[collection], created]
        return { status: 200, body: created }
      }))
    })
  }

  app.all('/v3/*', { schema: { response: errors }, errorHandler: handler.refuse('rest') }, (request, reply) =>
    handler.serve(request, reply, subject('rest', request), permitted(request, undefined, undefined, notFound)))

  app.get('/pakms/apikey', { schema: { response: { 200: PakmsReply, ...errors } }, errorHandler: handler.refuse('pakms') }, (request, reply) =>
    handler.serve(request, reply, subject('pakms', request), permitted(request, 'ecommerce', undefined, ({ installation }) => {
      const { apiAccessKey, createdTime } = installation.pakms ??= { apiAccessKey: mint.apiAccessKey(), createdTime: now() }
      return {
        status: 200,
        body: {
          active: true, apiAccessKey, createdTime, modifiedTime: createdTime, developerAppUuid: installation.app.id, merchantUuid: installation.merchant.id
        }
      }
    })))

  app.get('/v1/charges', { schema: { querystring: ListQuery, response: { 200: ListReply, ...errors } }, errorHandler: handler.refuse('rest') }, (request, reply) =>
    handler.serve(request, reply, subject('rest', request), permitted(request, 'ecommerce', undefined, ({ installation: { merchant } }) => {
      const { 'created.gte': since = '0', 'created.lte': until = 'Infinity' } = request.query
      const charges = merchant.charges.filter(({ created }) => typeof created !== 'number' || (created >= Number(since) && created <= Number(until)))
      const found = list(charges, request.query, settings.unknowns.startingAfter)
      return found === undefined ? refusal(400, 'starting_after names no charge.') : { status: 200, body: { object: 'list', url: '/v1/charges', ...found } }
    })))

  /** The rows of a collection that match a query, or a refusal. */
  function select (merchant: SimulatedMerchant, collection: 'items' | 'orders', { filter }: PageOfQuery): readonly Row[] | Outcome {
    const filters = parseFilters(filter)
    if (filters === undefined) return refusal(400, 'A filter is malformed.')
    const rows = collection === 'orders' ? recent(merchant.orders, filters, now(), settings.unknowns.longWindow) : merchant.items
    return rows === undefined ? refusal(400, 'The window of time is longer than 90 days.') : filtered(rows, filters)
  }

  function foreign (): Outcome {
    return settings.unknowns.foreignMerchant === 401 ? unauthorized() : notFound()
  }

  function subject (endpoint: Endpoint, request: FastifyRequest, mId?: string) {
    const presented = bearer(request)
    const installation = ledger.access(presented)?.installation
    const merchantId = mId === undefined ? installation?.merchant.id : directory.merchant(mId)?.id
    return { endpoint, appId: installation?.app.id, merchantId, presented }
  }

  // The token is looked up when the call is handled, which may be long after it arrived.
  function permitted (request: FastifyRequest, permission: keyof Permissions | undefined, mId: string | undefined, act: Act) {
    return (): Outcome => {
      const token = bearer(request)
      const access = ledger.access(token)
      if (access === undefined) return unauthorized()
      if (access.chain !== undefined) ledger.chains.usedAccess(access.chain, token)
      if (mId !== undefined && mId !== access.installation.merchant.id) return foreign()
      if (permission !== undefined && !access.installation.app.permissions[permission]) return unauthorized()
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
