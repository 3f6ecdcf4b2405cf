import type { SimulatedApp, SimulatedMerchant } from './directory.js'
import { html, page, type Html } from './html.js'
import type { Permissions } from './options.js'
import type { Outcome } from './outcome.js'

/** The most merchants or people that a page lists; a search finds the others. */
export const listed = 50

const permissionTexts: Record<keyof Permissions, string> = {
  readMerchant: 'See your business name and details',
  readInventory: 'See your items',
  writeInventory: 'Add items',
  readOrders: 'See your orders',
  writeOrders: 'Add orders',
  ecommerce: 'Take payments online with your ecommerce key'
}

/** A person who can log in, and the merchants for whom they work. */
export interface Person {
  name: string
  at: string
}

/** The login page. Any name and any PIN is accepted. `problem`: the reason why the person who is logged in cannot continue. */
export function loginPage (returnTo: string, people: readonly Person[], problem?: string): Outcome {
  return page({
    title: 'Log in',
    main: html`<h1>Log in</h1>
${problem !== undefined && html`<p role="alert">${problem}</p>`}
<p class="soft">Pick a person, who can choose among their own businesses. Or enter any other name and any PIN, and choose among all businesses.</p>
<form method="post" action="/login">
<input type="hidden" name="return_to" value="${returnTo}">
${people.map(({ name, at }) => html`<button class="choice" name="employee" value="${name}">${name}<small>${at}</small></button>`)}
</form>
<form method="post" action="/login">
<input type="hidden" name="return_to" value="${returnTo}">
<label>Name<input name="employee" autocomplete="off" maxlength="100" required></label>
<label>PIN<input name="pin" type="password" inputmode="numeric" autocomplete="off"></label>
<button class="primary">Log in</button>
</form>`
  })
}

/** The page to choose a merchant. `link`: returns the URL of the next step. */
export function pickerPage (
  found: Found, person: string, app: SimulatedApp, hidden: Readonly<Record<string, string>>, link: (merchantId: string) => string
): Outcome {
  return page({
    title: 'Choose a business',
    person,
    main: html`<h1>Choose a business</h1>
<p class="soft">Which business should use ${app.name}?</p>
${searchForm(found, hidden)}
${found.merchants.map(({ id, name }) => html`<a class="button choice" href="${link(id)}">${name}<small>${id}</small></a>`)}`
  })
}

/** The page that asks for approval. `request`: the URL of the authorize request. */
export function consentPage (request: string, person: string, app: SimulatedApp, merchant: SimulatedMerchant): Outcome {
  return page({
    title: `Approve ${app.name}`,
    person,
    main: html`<h1>${app.name} asks for access</h1>
<p>For <strong>${merchant.name}</strong> <small>${merchant.id}</small>, it would like to:</p>
${permissionList(app)}
<form method="post" action="/oauth/decision" class="row">
<input type="hidden" name="request" value="${request}">
<button class="primary" name="decision" value="approve">Approve</button>
<button name="decision" value="deny">Deny</button>
</form>`
  })
}

/** An app's page in the App Market, from which a merchant installs it. */
export function marketPage (app: SimulatedApp, merchant: SimulatedMerchant | undefined): Outcome {
  const install = merchant && html`<form method="post" action="/appmarket/install">
${appAndMerchant(app, merchant)}
<button class="primary">Install for ${merchant.name}</button>
</form>`
  return page({
    title: app.name,
    main: html`<h1>${app.name}</h1>
<p class="soft">App Market</p>
<p>Once installed, it can:</p>
${permissionList(app)}
${install ?? html`<p>Open this page from a business's <a href="/">dashboard</a> to install the app.</p>`}`
  })
}

/** The merchants that a search found. */
export interface Found {
  merchants: readonly SimulatedMerchant[]
  total: number
  q: string
}

/** The dashboard: the merchants, with links that open the apps as Clover does. */
export function dashboardPage (
  found: Found, apps: readonly SimulatedApp[], person: string | undefined, installed: (app: SimulatedApp, merchant: SimulatedMerchant) => boolean
): Outcome {
  const openers = (merchant: SimulatedMerchant) => apps.map(app => {
    const query = `app_id=${app.id}&merchant_id=${merchant.id}`
    return html`<div class="row">
<a class="button primary" href="/dashboard/open?${query}">Open ${app.name}</a>
${app.siteUrl !== undefined && html`<a href="/dashboard/open?${query}&flow=v1">Open by the v1 flow</a>`}
${installed(app, merchant) && html`<form method="post" action="/dashboard/uninstall">
${appAndMerchant(app, merchant)}
<button>Uninstall</button>
</form>`}
</div>`
  })
  return page({
    title: 'Dashboard',
    person,
    wide: true,
    main: html`<h1>Businesses</h1>
${searchForm(found, {})}
<ul>${found.merchants.map(merchant => html`<li><h2>${merchant.name}</h2><small>${merchant.id}</small>${openers(merchant)}</li>`)}</ul>
${person !== undefined && html`<form method="post" action="/logout"><button>Log out</button></form>`}`
  })
}

function permissionList ({ permissions }: SimulatedApp): Html {
  const names = Object.keys(permissionTexts) as (keyof Permissions)[]
  return html`<ul>${names.filter(name => permissions[name]).map(name => html`<li>${permissionTexts[name]}</li>`)}</ul>`
}

function appAndMerchant (app: SimulatedApp, merchant: SimulatedMerchant): Html {
  return html`<input type="hidden" name="app_id" value="${app.id}"><input type="hidden" name="merchant_id" value="${merchant.id}">`
}

// Only if the list is not complete: most simulators have a handful of merchants.
function searchForm ({ merchants, total, q }: Found, hidden: Readonly<Record<string, string>>): Html | undefined {
  if (total === merchants.length && q === '') return undefined
  return html`<form method="get">
${Object.entries(hidden).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
<label>Name or id<input name="q" value="${q}" type="search" autocomplete="off"></label>
<p class="soft">${merchants.length} of ${total} shown.</p>
</form>`
}
