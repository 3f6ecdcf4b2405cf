import { register } from 'node:module'

// Node runs the hooks in a thread of their own.
register('./typescript-hooks.mjs', import.meta.url)
