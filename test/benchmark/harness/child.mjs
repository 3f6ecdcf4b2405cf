import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** Starts a process of this folder that says `ready` and answers commands; resolves with what it said, and with `ask` and `close`. */
export async function startChild (file, args = [], execArgv = []) {
  const child = fork(join(import.meta.dirname, file), args, { execArgv })
  const [{ ready }] = await once(child, 'message')
  const waiting = new Map()
  let ids = 0
  child.on('message', ({ id, value }) => {
    waiting.get(id)?.(value)
    waiting.delete(id)
  })
  return {
    ready,
    ask: (command, argument) => new Promise(resolve => {
      const id = ++ids
      waiting.set(id, resolve)
      child.send({ id, command, argument })
    }),
    async close () {
      const gone = once(child, 'exit')
      child.disconnect()
      await gone
    }
  }
}
