import type { FastifyRequest } from 'fastify'
import { approvalUrl, denialUrl, readAuthorization, type Authorization } from './authorization.js'
import type { SimulatedMerchant } from './directory.js'
import { DecisionForm, LoginForm, ownPage, pathOf, send, takeForms } from './forms.js'
import { problemPage } from './html.js'
import { redirect, type Outcome } from './outcome.js'
import { consentPage, listed, loginPage, pickerPage, type Person } from './pages.js'
import { AuthorizeQuery } from './wire.js'
import type { App, Parts } from './parts.js'

const paths = { authorize: '/oauth/v2/authorize', legacyAuthorize: '/oauth/authorize' } as const
const unknownMerchant = 'There is no merchant with this merchant_id.'

/**
 * The pages of an authorization: log in, choose a business, approve or deny.
 *
 * Each step is a GET of the same URL with the earlier choices in its query, so the only state on the server is the log-in.
 * Source: https://docs.clover.com/dev/docs/high-trust-app-auth-flow
 */
export async function authorizeRoutes (app: App, parts: Parts): Promise<void> {
  const { directory, installations, settings, handler, sessions } = parts
  takeForms(app)

  for (const endpoint of ['authorize', 'legacyAuthorize'] as const) {
    app.get(paths[endpoint], { schema: { querystring: AuthorizeQuery }, errorHandler: handler.refuse(endpoint, problemPage) }, (request, reply) => {
      const { query } = request
      const subject = { endpoint, appId: directory.app(query.client_id ?? '')?.id, merchantId: directory.merchant(query.merchant_id ?? '')?.id }
      return handler.serve(request, reply, subject, () => {
        const authorization = readAuthorization(query, endpoint === 'legacyAuthorize', directory, settings)
        return typeof authorization === 'string' ? problemPage(400, authorization) : nextStep(request, authorization, query)
      })
    })
  }

  app.post('/oauth/decision', { schema: { body: DecisionForm } }, (request, reply) => {
    const asked = ownPage(request.body.request)
    const query: AuthorizeQuery = Object.fromEntries(asked.searchParams)
    const authorization = readAuthorization(query, asked.pathname === paths.legacyAuthorize, directory, settings)
    if (typeof authorization === 'string') return send(reply, problemPage(400, authorization))
    const merchant = directory.merchant(authorization.merchantId ?? '')
    const person = sessions.person(request)
    // A forged form may skip the steps: log in, choose one of the person's own businesses, install.
    if (person === undefined || merchant === undefined || !directory.mayAct(person, merchant) || mustInstall(authorization, merchant)) {
      return send(reply, redirect(303, pathOf(asked)))
    }
    const to = request.body.decision === 'approve' ? approvalUrl(authorization, merchant, person, parts) : denialUrl(authorization, settings)
    return send(reply, redirect(303, to))
  })

  app.post('/login', { schema: { body: LoginForm } }, (request, reply) => {
    const cookie = sessions.open(request, request.body.employee)
    return send(reply, redirect(303, pathOf(ownPage(request.body.return_to)), { 'set-cookie': cookie }))
  })

  app.post('/logout', (request, reply) => send(reply, redirect(303, '/', { 'set-cookie': sessions.close(request) })))

  function nextStep (request: FastifyRequest, authorization: Authorization, query: AuthorizeQuery): Outcome {
    const { merchantId } = authorization
    const merchant = directory.merchant(merchantId ?? '')
    if (merchantId !== undefined && merchant === undefined) return problemPage(400, unknownMerchant)
    const person = sessions.person(request)
    if (person === undefined) return loginPage(request.url, people(merchant))
    if (merchant === undefined) return pick(query, authorization, person, request)
    if (!directory.mayAct(person, merchant)) return loginPage(request.url, people(merchant), `${person} does not work at ${merchant.name}.`)
    if (mustInstall(authorization, merchant)) return redirect(302, `/appmarket/apps/${authorization.app.id}?merchant_id=${merchant.id}`)
    const installation = installations.find(authorization.app, merchant)
    if (installation?.approved === true && !settings.alwaysAsk) return redirect(302, approvalUrl(authorization, merchant, person, parts))
    return consentPage(request.url, person, authorization.app, merchant)
  }

  function pick ({ q = '', ...query }: AuthorizeQuery, { app }: Authorization, person: string, request: FastifyRequest): Outcome {
    const link = (merchantId: string) => {
      const url = ownPage(request.url)
      url.searchParams.delete('q')
      url.searchParams.set('merchant_id', merchantId)
      return pathOf(url)
    }
    return pickerPage(directory.search(q, listed, person), person, app, query, link)
  }

  function mustInstall ({ app }: Authorization, merchant: SimulatedMerchant): boolean {
    return settings.notInstalled === 'app-market' && installations.find(app, merchant)?.installed !== true
  }

  function people (merchant: SimulatedMerchant | undefined): Person[] {
    const names = new Map<string, string[]>()
    for (const { name, employees } of merchant === undefined ? directory.merchants.slice(0, listed) : [merchant]) {
      for (const employee of employees) names.set(employee.name, [...names.get(employee.name) ?? [], name])
    }
    return [...names].slice(0, listed).map(([name, at]) => ({ name, at: at.slice(0, 3).join(', ') + (at.length > 3 ? ', …' : '') }))
  }
}
