/*
 * Each peer is a file with a default export:
 *
 *   name      the package
 *   call      what is called, in Markdown
 *   setup     how it is set up, and by which of its documents
 *   unfair    what the comparison does to it
 *   record    (account, pair, expiresAt) => what its store keeps for an account
 *   connect   ({ origin, store }) => { token (account), close? }: a server process' worth of it
 *
 * `store` is a TextStore: the same for all, which keeps JSON texts in memory. A store of live objects would be faster, and would not say what a
 * database says: a record that is read is a copy.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const files = ['slack', 'fastify-oauth2', 'openid-client', 'google', 'shopify', 'auth0', 'octokit', 'badgateway', 'better-auth']

/** The peers that are installed, and a word on those that are not. */
export async function loadPeers () {
  const found = await Promise.all(files.map(async file => {
    try {
      const { default: peer } = await import(`./${file}.mjs`)
      return { ...peer, version: versionOf(peer.name) }
    } catch (error) {
      if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
      return { missing: file }
    }
  }))
  return { peers: found.filter(({ missing }) => missing === undefined), missing: found.flatMap(({ missing }) => missing ?? []) }
}

/** The version of an installed package, or undefined. */
export function versionOf (name) {
  try {
    return JSON.parse(readFileSync(join(import.meta.dirname, '../node_modules', name, 'package.json'), 'utf8')).version
  } catch {
    return undefined
  }
}
