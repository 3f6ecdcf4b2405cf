import { readdirSync } from 'node:fs'

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts')).map(name => `src/${name}`)

/** Tests of what was built, packed or bundled: to count there would make them slower, and would add nothing. */
const uncounted = /^test\/(?:package\/|together\/built\.)/

/** The sources are what tests must cover; the example is tried in a browser. */
export default file => uncounted.test(file) ? null : sources
