import { runTogether } from '../harness/together.js'

await runTogether(['events', 'flows', 'routes', 'api', '.'])
