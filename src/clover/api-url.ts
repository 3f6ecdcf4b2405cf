import type { Environment } from '../environments.js'
import { foreignUrl } from '../errors.js'

/**
 * @internal The address of a call that carries a merchant's token: a path at the environment's `api` origin, or a URL of its `api` or
 * `ecommerce` origin. `{mId}`, as Clover's documentation writes it, stands for the merchant.
 *
 * @param merchantId in Clover's form
 * @throws FST_CLOVER_FOREIGN_URL for anything else
 */
export function apiUrl ({ api, ecommerce }: Environment, path: string | URL, merchantId: string): URL {
  const text = String(path).replaceAll('{mId}', merchantId)
  // Only a path is resolved: against an origin, `https:evil` would become a path too.
  const base = text.startsWith('/') ? api : undefined
  const url = URL.canParse(text, base) ? new URL(text, base) : undefined
  // The whole beginning is compared as it is sent, so another scheme (`blob:` has Clover's origin too), port, user or host never passes.
  const isOwn = [api, ecommerce].some(origin => origin !== undefined && url?.href.startsWith(`${origin}/`))
  if (url === undefined || !isOwn) throw foreignUrl(merchantId)
  return url
}

/**
 * @internal Whether a URL belongs to the ecommerce API, whose collections have a form of their own. Where it shares its origin with the REST
 * API, as at the simulator, the path decides.
 */
export function isEcommerceUrl ({ ecommerce }: Environment, { origin, pathname }: URL): boolean {
  return origin === ecommerce && !pathname.startsWith('/v3/')
}
