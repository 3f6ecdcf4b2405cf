import type { InstallationSummary } from 'fastify-clover'
import { time } from './format.js'
import { html, type Html } from './html.js'
import { countdown, expirations } from './token.js'

/** Asks for the operator's password. */
export function operatorLogin (): Html {
  return html`<section class="hero">
<h1>Operator</h1>
<p>This page is for whoever runs Daybook, not for merchants. The password was printed where the server was started.</p>
<form method="post" action="/operator/login">
<label>Password<input name="password" type="password" autocomplete="current-password" required autofocus></label>
<button class="primary">Log in</button>
</form>
</section>`
}

/** Lists the connected merchants. */
export function operatorPage (installations: readonly InstallationSummary[]): Html {
  return html`<section class="title">
<h1>Connected shops</h1>
<p class="soft">This page is the operator's: no merchant sees it.</p>
</section>
${installations.length === 0 && html`<section class="card"><p>No shop is connected. <a href="/">Connect one.</a></p></section>`}
<div class="shops">${installations.map(installationCard)}</div>
<section class="card" aria-labelledby="route">
<h2 id="route">The refresh route</h2>
<p><code>POST /clover/refresh</code> does the same for scripts. It has this page's guard; while you are logged in you can try it on the <a href="/documentation">OpenAPI page</a>.</p>
<form method="post" action="/operator/logout"><button>Log out as operator</button></form>
</section>`
}

function installationCard (installation: InstallationSummary): Html {
  const { merchantId, connectedAt, reauthorizationRequired } = installation
  return html`<section class="card" aria-labelledby="${merchantId}">
<h2 id="${merchantId}"><code>${merchantId}</code></h2>
${reauthorizationRequired
    ? html`<p class="warning">Clover refuses its tokens since ${time(reauthorizationRequired.since * 1000)}: the merchant must approve again.</p>`
    : countdown(installation)}
<dl>
${expirations(installation)}
<dt>Connected</dt><dd>${time(connectedAt * 1000)}</dd>
</dl>
<div class="row">
${action('/operator/refresh', merchantId, 'Refresh')}
${action('/operator/disconnect', merchantId, 'Disconnect')}
</div>
</section>`
}

function action (path: string, merchantId: string, text: string): Html {
  return html`<form method="post" action="${path}"><input type="hidden" name="merchant_id" value="${merchantId}"><button>${text}</button></form>`
}
