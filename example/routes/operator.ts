import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { MerchantId, type Clover } from 'fastify-clover'
import { operatorLogin, operatorPage, type Answer, type Listed, type Question } from '../pages/operator.js'
import { sendPage } from '../pages/page.js'
import { isSameText, requireOperator, takeNotice } from '../session.js'

const LoginForm = Type.Object({ password: Type.String({ maxLength: 200 }) })
const MerchantForm = Type.Object({
  merchant_id: MerchantId,
  back: Type.String({ default: '', maxLength: 200, pattern: '^(\\?[A-Za-z0-9=&]+)?$', description: 'The query of the page that the form is on' })
})
const ListQuery = Type.Object({
  state: Type.Optional(Type.Union((['connected', 'dueSoon', 'doubtful', 'interrupted', 'reauthorizationRequired', 'unusable'] as const).map(state => Type.Literal(state)))),
  q: Type.String({ default: '', maxLength: 100 }),
  page: Type.Integer({ default: 1, minimum: 1, maximum: 1_000_000 })
})

/** Merchants on a page. */
const pageSize = 12

/** The operator's page: merchants by state. Here alone a merchant id comes from a form, and the guard stands before it. */
export async function operatorRoutes (instance: FastifyInstance, { password }: { password: string }): Promise<void> {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()

  app.get('/operator', { schema: { hide: true, querystring: ListQuery } }, async (request, reply) => {
    const notice = takeNotice(request)
    if (request.session.get('operator') !== true) return sendPage(reply, { title: 'Operator', main: operatorLogin(), notice })
    const question = { state: request.query.state, q: request.query.q.trim().toUpperCase().replace(/[^A-Z0-9]/g, ''), page: request.query.page }
    const [summary, answer] = await Promise.all([app.clover.summary(), list(app.clover, question)])
    return sendPage(reply, { title: 'Merchants', main: operatorPage(summary, question, answer), notice })
  })

  app.post('/operator/login', { schema: { hide: true, body: LoginForm } }, async (request, reply) => {
    const isOperator = isSameText(request.body.password, password)
    if (isOperator) {
      request.session.regenerate(['merchantId'])
      request.session.set('operator', true)
    } else request.session.set('notice', 'That is not the password.')
    return reply.redirect('/operator', 303)
  })

  app.post('/operator/refresh', { onRequest: requireOperator, schema: { hide: true, body: MerchantForm } }, async (request, reply) => {
    const { merchantId } = await app.clover.refresh(request.body.merchant_id)
    request.session.set('notice', `The tokens of ${merchantId} are new.`)
    return reply.redirect(`/operator${request.body.back}`, 303)
  })

  app.post('/operator/disconnect', { onRequest: requireOperator, schema: { hide: true, body: MerchantForm } }, async (request, reply) => {
    await app.clover.disconnect(request.body.merchant_id)
    request.session.set('notice', `${request.body.merchant_id} is disconnected.`)
    return reply.redirect(`/operator${request.body.back}`, 303)
  })

  app.post('/operator/logout', { schema: { hide: true } }, async (request, reply) => {
    request.session.set('operator', undefined)
    return reply.redirect('/operator', 303)
  })
}

/** The merchants who answer a question: one pass over the store, of which one page is kept. */
async function list (clover: Clover, { state, q, page }: Question): Promise<Answer> {
  const last = new Map<number, Listed[]>()
  let total = 0
  for await (const merchant of clover.installations({ unusable: true })) {
    if (!(merchant.merchantId ?? '').includes(q)) continue
    if (state !== undefined && state !== ('unusable' in merchant ? 'unusable' : merchant.state)) continue
    const number = Math.floor(total++ / pageSize) + 1
    if (number > page) continue
    // The page that was asked for, or the last one there is.
    if (!last.has(number)) last.clear()
    last.set(number, [...last.get(number) ?? [], merchant])
  }
  const [[shown, merchants] = [1, []]] = last
  return { total, pages: Math.max(1, Math.ceil(total / pageSize)), page: shown, merchants }
}
