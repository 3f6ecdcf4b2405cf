import type { Environment } from '../environments.js'
import { foreignUrl, invalidOptions } from '../errors.js'

/**
 * @internal The address of a call that carries a merchant's token: a path at the environment's `api` origin, or a URL of its `api` or
 * `ecommerce` origin. `{mId}`, as Clover's documentation writes it, stands for the merchant.
 *
 * @param merchantId in Clover's form
 * @throws FST_CLOVER_FOREIGN_URL for anything else; FST_CLOVER_INVALID_OPTIONS for another placeholder
 */
export function apiUrl ({ api, ecommerce }: Environment, path: string | URL, merchantId: string): URL {
  if (path instanceof Request) throw invalidOptions(['A Request must be given as the options: fetch(merchantId, path, request).'])
  const text = String(path).replaceAll('{mId}', merchantId)
  // Clover would answer 401, as for a wrong token.
  const [placeholder] = /\{\w+\}/.exec(text.replace(/[?#].*$/s, '')) ?? []
  if (placeholder !== undefined) throw invalidOptions([`The path has ${placeholder}, which is not replaced: put the value there. Only {mId} is replaced, by the merchant id.`])
  // Only a path is resolved against the origin: `https:evil` would resolve too.
  const base = text.startsWith('/') ? api : undefined
  const url = URL.canParse(text, base) ? new URL(text, base) : undefined
  // The serialized URL is compared, so another scheme (`blob:` has Clover's origin too), port, user or host never passes.
  const isOwn = [api, ecommerce].some(origin => origin !== undefined && url?.href.startsWith(`${origin}/`))
  if (url === undefined || !isOwn) throw foreignUrl(merchantId)
  return url
}

/**
 * @internal Whether a URL belongs to the ecommerce API, whose collections are paged differently. If it shares its origin with the REST API, as in the
 * simulator, the path decides.
 */
export function isEcommerceUrl ({ ecommerce }: Environment, { origin, pathname }: URL): boolean {
  return origin === ecommerce && !pathname.startsWith('/v3/')
}
