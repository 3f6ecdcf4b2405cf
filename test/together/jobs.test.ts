import { runTogether } from '../harness/together.js'

await runTogether(['jobs', 'operations'])
