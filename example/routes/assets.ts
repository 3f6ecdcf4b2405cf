import { readFileSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'

const assets = { 'style.css': 'text/css', 'tokens.js': 'text/javascript', 'lab.js': 'text/javascript', 'chart.js': 'text/javascript', 'icon.svg': 'image/svg+xml' }

/** The style, the scripts and the icon of the pages. */
export async function assetRoutes (app: FastifyInstance): Promise<void> {
  for (const [name, type] of Object.entries(assets)) {
    const content = readFileSync(new URL(`../public/${name}`, import.meta.url))
    app.get(`/${name}`, { schema: { hide: true } }, (_request, reply) =>
      reply.type(`${type}; charset=utf-8`).header('cache-control', 'no-cache').header('x-content-type-options', 'nosniff').send(content))
  }
}
