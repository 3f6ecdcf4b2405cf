import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { MerchantId, type InstallationSummary } from 'fastify-clover'
import { operatorLogin, operatorPage } from '../pages/operator.js'
import { sendPage } from '../pages/page.js'
import { isSameText, requireOperator, takeNotice } from '../session.js'

const LoginForm = Type.Object({ password: Type.String({ maxLength: 200 }) })
const MerchantForm = Type.Object({ merchant_id: MerchantId })

/** The operator's page: every connected merchant. Here alone a merchant id comes from a form, and the guard stands before it. */
export async function operatorRoutes (instance: FastifyInstance, { password }: { password: string }): Promise<void> {
  const app = instance.withTypeProvider<TypeBoxTypeProvider>()

  app.get('/operator', { schema: { hide: true } }, async (request, reply) => {
    const notice = takeNotice(request)
    if (request.session.get('operator') !== true) return sendPage(reply, { title: 'Operator', main: operatorLogin(), notice })
    const installations: InstallationSummary[] = []
    for await (const installation of app.clover.installations()) installations.push(installation)
    return sendPage(reply, { title: 'Connected shops', main: operatorPage(installations), notice })
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
    return reply.redirect('/operator', 303)
  })

  app.post('/operator/disconnect', { onRequest: requireOperator, schema: { hide: true, body: MerchantForm } }, async (request, reply) => {
    await app.clover.disconnect(request.body.merchant_id)
    request.session.set('notice', `${request.body.merchant_id} is disconnected.`)
    return reply.redirect('/operator', 303)
  })

  app.post('/operator/logout', { schema: { hide: true } }, async (request, reply) => {
    request.session.set('operator', undefined)
    return reply.redirect('/operator', 303)
  })
}
