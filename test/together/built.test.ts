import { builtHosts } from '../harness/built-hosts.js'
import { runTogether } from '../harness/together.js'

// What was built is what runs in these, so their coverage is not counted: see `.config/coverage-map.js`.
await runTogether(['benchmark-smoke', 'hosts'], [], ['smoke.test.ts', ...builtHosts])
