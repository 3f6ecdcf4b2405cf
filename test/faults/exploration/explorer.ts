import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Order, Outcome } from './child.js'

type Reply = { outcome: Outcome } | { error: string }

/** Explores in a child process, one order after another; it ends with the test. */
export function explorer (t: Test): (order: Order) => Promise<Outcome> {
  let starting: Promise<ChildProcess> | undefined
  const start = async () => {
    // tap puts its loader into NODE_OPTIONS of every process, so env takes it away again.
    const without = ['-u', 'NODE_OPTIONS', '-u', 'NODE_V8_COVERAGE']
    const child = fork(join(import.meta.dirname, 'child.ts'), { execPath: '/usr/bin/env', execArgv: [...without, process.execPath, '--import', 'tsx'] })
    t.teardown(() => child.kill())
    await once(child, 'message')
    return child
  }
  return async order => {
    starting ??= start()
    const child = await starting
    child.send(order)
    const gone = once(child, 'exit').then(() => { throw new Error('the explorer is gone') })
    gone.catch(() => {})
    const [reply] = await Promise.race([once(child, 'message'), gone]) as [Reply]
    if ('error' in reply) throw new Error(reply.error)
    return reply.outcome
  }
}
