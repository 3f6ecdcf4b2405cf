import { readdirSync } from 'node:fs'

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts')).map(name => `src/${name}`)

/**
 * Tests whose coverage is not counted, which makes them faster. Some run what was built, packed or bundled, or a browser; the others, of
 * security and of faults, go through so much that they would cover some lines by chance: each has a test of its own elsewhere.
 */
const uncounted = /^test\/(?:package\/|e2e\/|together\/(?:built|exploration|faults|faults-processes|security)\.)/

/** The sources are what the other tests must cover. */
export default file => uncounted.test(file) ? null : sources
