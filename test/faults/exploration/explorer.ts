import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Test } from 'tap'
import { bareNode, bundle } from '../../harness/bundle.js'
import type { Order, Outcome } from './child.js'

type Reply = { outcome: Outcome } | { error: string }

/** Explores in a child process, one order after another; it ends with the test. It runs one file that is made here: it starts sooner, and runs faster. */
export function explorer (t: Test): (order: Order) => Promise<Outcome> {
  let starting: Promise<{ child: ChildProcess, gone: Promise<never> }> | undefined
  const folder = t.testdir()
  const start = async () => {
    const [file = ''] = await bundle(['test/faults/exploration/child.ts'], folder)
    const [execPath, ...execArgv] = bareNode
    const child = fork(file, { execPath, execArgv })
    t.teardown(() => child.kill())
    const gone = once(child, 'exit').then(() => { throw new Error('the explorer is gone') })
    gone.catch(() => {})
    await once(child, 'message')
    return { child, gone }
  }
  return async order => {
    starting ??= start()
    const { child, gone } = await starting
    child.send(order)
    const [reply] = await Promise.race([once(child, 'message'), gone]) as [Reply]
    if ('error' in reply) throw new Error(reply.error)
    return reply.outcome
  }
}
