import { callbackQuery } from './authorization.js'
import type { SimulatedApp, SimulatedMerchant } from './directory.js'
import { DashboardQuery, MarketParams, MarketQuery, OpenQuery, PairingForm, send, takeForms } from './forms.js'
import { problemPage } from './html.js'
import { redirect, type Outcome } from './outcome.js'
import { dashboardPage, listed, marketPage } from './pages.js'
import type { App, Parts } from './parts.js'

const unknown = () => problemPage(404, 'There is no such app or merchant.')

/**
 * The routes of the merchant's dashboard, which opens apps, and of the App Market, which installs them.
 *
 * Source: https://docs.clover.com/docs/using-cors
 */
export async function dashboardRoutes (app: App, { directory, installations, ledger, settings, sessions, webhooks }: Parts): Promise<void> {
  takeForms(app)

  for (const path of ['/', '/dashboard']) {
    app.get(path, { schema: { querystring: DashboardQuery } }, (request, reply) => {
      const found = directory.search(request.query.q ?? '', listed)
      const installed = (app: SimulatedApp, merchant: SimulatedMerchant) => installations.find(app, merchant)?.installed === true
      return send(reply, dashboardPage(found, directory.apps, sessions.person(request), installed))
    })
  }

  app.get('/dashboard/open', { schema: { querystring: OpenQuery } }, (request, reply) => {
    const pair = find(request.query)
    if (pair === undefined) return send(reply, unknown())
    return send(reply, open(pair.app, pair.merchant, request.query.flow === 'v1', sessions.person(request)))
  })

  app.post('/dashboard/uninstall', { schema: { body: PairingForm } }, (request, reply) => {
    const pair = find(request.body)
    if (pair === undefined) return send(reply, unknown())
    installations.uninstall(pair.app, pair.merchant)
    webhooks.announce(pair.app, pair.merchant.id, 'DELETE')
    return send(reply, redirect(303, '/'))
  })

  app.get('/appmarket/apps/:appId', { schema: { params: MarketParams, querystring: MarketQuery } }, (request, reply) => {
    const app = directory.app(request.params.appId)
    return send(reply, app === undefined ? unknown() : marketPage(app, directory.merchant(request.query.merchant_id ?? '')))
  })

  app.post('/appmarket/install', { schema: { body: PairingForm } }, (request, reply) => {
    const pair = find(request.body)
    if (pair === undefined) return send(reply, unknown())
    installations.of(pair.app, pair.merchant).installed = true
    webhooks.announce(pair.app, pair.merchant.id, 'CREATE')
    return send(reply, redirect(303, `/dashboard/open?${String(new URLSearchParams(request.body))}`))
  })

  function find ({ app_id: appId, merchant_id: merchantId }: { app_id: string, merchant_id: string }) {
    const app = directory.app(appId)
    const merchant = directory.merchant(merchantId)
    return app === undefined || merchant === undefined ? undefined : { app, merchant }
  }

  // Without an Alternate Launch Path Clover runs a partial v1 flow: it opens the Site URL with a legacy code that the app did not request.
  function open (app: SimulatedApp, merchant: SimulatedMerchant, legacy: boolean, person: string | undefined): Outcome {
    const installation = installations.of(app, merchant)
    if (!installation.installed && settings.notInstalled === 'app-market') {
      return redirect(302, `/appmarket/apps/${app.id}?merchant_id=${merchant.id}`)
    }
    installation.installed = true
    const partial = legacy || app.launchUrl === undefined
    const to = partial ? app.siteUrl : app.launchUrl
    if (to === undefined) {
      const missing = legacy ? 'Site URL' : 'launch path'
      return problemPage(409, `${app.name} has no ${missing} yet: set it with the option apps or with setLaunchUrl().`)
    }
    const url = new URL(to)
    const employeeId = merchant.employees.find(({ name }) => name === person)?.id
    const { code: _, merchant_id: merchantId, ...query } = callbackQuery(installation, '', employeeId)
    const code = partial && { code: ledger.issueCode(installation, { legacy: true }).code }
    const launch = { [settings.unknowns.launchParameter]: merchantId, ...query, ...code }
    for (const [name, value] of Object.entries(launch)) url.searchParams.set(name, value)
    return redirect(302, url.href)
  }
}
