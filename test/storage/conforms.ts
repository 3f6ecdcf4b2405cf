import type { Test } from 'tap'
import { storageConformance, type ConformanceCase, type MakeStorage } from '../../src/testing/conformance/index.js'
import { share } from '../harness/share.js'

/** Says which cases are tried. */
export type Choice = (one: ConformanceCase) => boolean

export const every: Choice = () => true

/**
 * For an adapter that keeps nothing between its calls: two callers of one server are to it as two servers are, and writers that count up find no more
 * than those of whom one wins. The full share has every case.
 */
export const ofServers: Choice = share(({ name }) => !/\(callers\)$|^no update is lost/.test(name), every)

/**
 * For another client of a store on which every case is tried elsewhere: what such a client makes of values, of replies and of counts, and the races of
 * eight writers of which one wins. The full share has every case.
 */
export const ofClient: Choice = share(({ name }) => !/\(callers\)$|^no update is lost|deletes? at once|^a delete without a revision, at once|^list misses|^two listings/.test(name), every)

/** Tries the conformance cases on an adapter, in one assertion. Returns the names of those that were tried. */
export async function conforms (t: Test, make: MakeStorage, choice: Choice = every): Promise<string[]> {
  const [tried, untried, wrong]: string[][] = [[], [], []]
  for (const one of storageConformance(make).filter(choice)) {
    let isSkipped = false
    await one.run({ skip: () => { isSkipped = true } }).catch((error: Error) => { wrong?.push(`${one.name}: ${error.stack}`) });
    (isSkipped ? untried : tried)?.push(one.name)
  }
  t.same(wrong, [], `conforms in ${tried?.length} cases`)
  if (untried?.length) t.comment(`not tried: ${untried.join('; ')}`)
  return tried ?? []
}
