import { others } from '../faults/groups.js'
import { runTogether } from '../harness/together.js'

await runTogether(['faults'], [], others)
