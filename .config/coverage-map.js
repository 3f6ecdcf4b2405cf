import { readdirSync } from 'node:fs'

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts')).map(name => `src/${name}`)

/** The sources are what tests must cover; the example is tried in a browser. */
export default () => sources
