import { runTogether } from '../harness/together.js'

await runTogether(['checks', 'clover', 'concurrency', 'options', 'tokens'])
