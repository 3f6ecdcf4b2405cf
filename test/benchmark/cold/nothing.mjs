import { report } from './report.mjs'

report('x'.repeat(100))
