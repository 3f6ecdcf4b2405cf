import { createConnecting, createRefreshing } from '../../../src/tokens/create-tokens.js'
import { RecordMaker } from '../../../src/tokens/record.js'

/** The code under exploration: the sources themselves. A mutant offers the same. */
export const sources = { createConnecting, createRefreshing, RecordMaker }
export type TokenModules = typeof sources
