import { runTogether } from '../harness/together.js'

await runTogether(['security'], ['fuzz.test.ts', 'fuzz-replies.test.ts', 'flood.test.ts'])
