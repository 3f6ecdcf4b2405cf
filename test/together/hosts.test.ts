import { builtHosts } from '../harness/built-hosts.js'
import { runTogether } from '../harness/together.js'

await runTogether(['hosts', 'readme', 'testing'], builtHosts)
