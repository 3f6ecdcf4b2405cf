import { readdirSync } from 'node:fs'

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts')).map(name => `src/${name}`)

/**
 * Tests with processes, browsers or long searches count for no coverage: to count makes them slow, and the tests of each room cover the sources without
 * them.
 */
const uncounted = /^test\/(?:benchmark-smoke|e2e|faults|package|types)\/|^test\/hosts\/(?:example-doctor|example-hosts|migrate-command|queues)\.|^test\/security\/(?:flood|fuzz|fuzz-replies)\./

/** The sources are what tests must cover; the example is tried in a browser. */
export default file => uncounted.test(file) ? null : sources
