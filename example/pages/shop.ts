import type { InstallationSummary } from 'fastify-clover'
import type { Item, Order, Shop } from '../shop-data.js'
import { duration, money, time } from './format.js'
import { html, type Html } from './html.js'
import { countdown, expirations, leftAtRefresh, lifeOf } from './token.js'

/** For a visitor who has not come through Clover yet. */
export function welcome (dashboard: string | undefined): Html {
  return html`<section class="hero">
<h1>A shop that stays connected to Clover</h1>
<p>Connect a shop once, and Daybook reads its items and orders from then on: fastify-clover keeps its tokens alive.</p>
<p class="row"><a class="button primary" href="/clover/launch">Connect with Clover</a></p>
${dashboard !== undefined && html`<p>Or go to <a href="/lab">the lab</a>, and try to lose a shop: kill servers, lock the database, drop Clover's answers.</p>`}
</section>
${dashboard !== undefined && simulatorCard(dashboard)}`
}

/** For a merchant who is logged in. */
export function shopPage ({ merchant, items, orders }: Shop, installation: InstallationSummary, maskedToken: string, dashboard: string | undefined): Html {
  const { merchantId, connectedAt } = installation
  const currency = typeof merchant === 'string' ? undefined : merchant.defaultCurrency
  return html`<section class="title">
<h1>${nameOf({ merchant }, merchantId)}</h1>
<p class="soft"><code>${merchantId}</code> connected ${time(connectedAt * 1000)}</p>
</section>
<div class="columns">
<div>${tokenCard(installation, maskedToken)}</div>
<div class="data">
${itemsCard(items, currency)}
${ordersCard(orders, currency)}
</div>
${dashboard !== undefined && simulatorCard(dashboard)}
</div>`
}

/** The shop's name, or its id where Clover does not tell. */
export function nameOf ({ merchant }: Pick<Shop, 'merchant'>, merchantId: string): string {
  return typeof merchant === 'string' ? merchantId : merchant.name
}

function tokenCard (installation: InstallationSummary, maskedToken: string): Html {
  const { lifetime } = lifeOf(installation)
  return html`<section class="card" aria-labelledby="token" data-live>
<h2 id="token">Access token</h2>
${countdown(installation)}
<dl>
${expirations(installation, maskedToken)}
</dl>
${lifetime !== null && html`<p class="soft" data-story>This page asks for the token now and then, as any handler would. Once ${duration(leftAtRefresh(lifetime))} or less of its life is left, the plugin refreshes it on the way.</p>`}
<noscript><p class="soft">Reload the page to see how much is left.</p></noscript>
<div class="row">
<form method="post" action="/refresh"><button class="primary">Refresh now</button></form>
<form method="post" action="/disconnect"><button>Disconnect</button></form>
</div>
</section>`
}

function itemsCard (items: Item[] | string, currency: string | undefined): Html {
  return html`<section class="card" aria-labelledby="items">
<h2 id="items">Items</h2>
${typeof items === 'string'
    ? html`<p class="soft">${items}</p>`
    : html`<ul class="ledger">${items.map(({ name, price }) => html`<li><span>${name}</span><span class="amount">${money(price, currency)}</span></li>`)}</ul>`}
</section>`
}

function ordersCard (orders: Order[] | string, shopCurrency: string | undefined): Html {
  return html`<section class="card" aria-labelledby="orders">
<h2 id="orders">Latest orders</h2>
${typeof orders === 'string'
    ? html`<p class="soft">${orders}</p>`
    : html`<ul class="ledger">${orders.map(({ total = 0, currency = shopCurrency, state, createdTime }) => html`<li>
<span>${time(createdTime)}${state === 'open' && html` <em class="tag">open</em>`}</span><span class="amount">${money(total, currency)}</span>
</li>`)}</ul>`}
</section>`
}

function simulatorCard (dashboard: string): Html {
  return html`<section class="card" aria-labelledby="simulator">
<h2 id="simulator">This Clover is a simulator</h2>
<p>Log in there as anybody, choose a shop, and approve. Merchants also open apps from Clover's dashboard, and so can you; uninstall the app there to see what becomes of its tokens.</p>
<p><a class="button" href="${dashboard}">Open the app as Clover would</a></p>
</section>`
}
