/*
 * Ends `npm start` with a sentence where Node is too old for the rest, before anything is loaded that such a Node does not understand. It is written for
 * any Node. A version as argument takes the place of the running one.
 */
'use strict'

const needed = require('../package.json').engines.node.replace('>=', '')
const running = process.argv[2] || process.versions.node

function isOlder (version, other) {
  const parts = version.split('.').map(Number)
  const others = other.split('.').map(Number)
  return parts[0] !== others[0] ? parts[0] < others[0] : parts[1] < others[1]
}

if (isOlder(running, needed)) {
  console.error('This needs Node ' + needed + ' or later, and this is Node ' + running + ': install a newer one from https://nodejs.org, and run the command again.')
  process.exitCode = 1
}
