import { createRequire } from 'node:module'

const { version: own } = createRequire(import.meta.url)('../package.json') as { version: string }

/** @internal The version of this package. The build replaces this module by one that contains only the text. */
export const version = own
