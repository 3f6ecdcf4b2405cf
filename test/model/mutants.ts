import type { Property } from './properties.js'
import type { Rules } from './rules.js'
import type { forMutants } from './worlds.js'

/** A rule left out, the world in which it is missed, and exactly the properties that break there. */
export interface Mutant {
  name: string
  leftOut: keyof Rules
  world: keyof typeof forMutants
  violates: readonly Property[]
  /** It takes seconds to go through its world. */
  isSlow?: boolean
}

const lost = ['P1', 'P6'] as const

export const mutants: readonly Mutant[] = [
  { name: '1: a lease is not waited for', leftOut: 'waitsForLease', world: 'quiet', violates: ['P4'] },
  { name: '2: Clover is called without a lease', leftOut: 'leasesFirst', world: 'answers', violates: ['P7'] },
  { name: '2: Clover is called although the lease may not be stored', leftOut: 'looksForLease', world: 'store', violates: ['P7'] },
  { name: '2: any lease counts as one\'s own', leftOut: 'looksForOwn', world: 'store, low trust', violates: ['P1', 'P3', 'P6'] },
  { name: '3: recover first, refresh second', leftOut: 'refreshesFirst', world: 'quiet', violates: ['P4'] },
  { name: '3: the lease is not checked before a recovery', leftOut: 'leasesRecovery', world: 'leases', violates: ['P2'] },
  { name: '3: the lease is not checked before a call is repeated', leftOut: 'leasesRepeat', world: 'leases and answers', violates: ['P2'] },
  { name: '3: without an answer, the lease is taken back', leftOut: 'leavesTrace', world: 'answers', violates: ['P7'] },
  { name: '3: recovery only where Clover offers it', leftOut: 'recoversUnasked', world: 'answers, no offer', violates: ['P1'] },
  { name: '3: the spent token is never tried', leftOut: 'triesSpent', world: 'late requests and refusals', violates: ['P1', 'P2'] },
  { name: '2, 6: the lease and the mark drop the spent token', leftOut: 'keepsSpent', world: 'late requests and refusals', violates: ['P2'] },
  { name: '4: a pair is dropped when its write fails', leftOut: 'holdsPair', world: 'store, low trust', violates: lost },
  { name: '4: a pair is written whatever the revision', leftOut: 'writesByRevision', world: 'store, low trust', violates: ['P1', 'P3'] },
  { name: '4: the record names the token that was replaced as spent', leftOut: 'namesPresented', world: 'late requests and refusals', violates: ['P1', 'P2'] },
  { name: '5: a pair is put anew although the merchant has gone', leftOut: 'dropsForGone', world: 'disconnects', violates: ['P5'] },
  { name: '5: a pair does not overwrite somebody\'s lease', leftOut: 'overwritesLease', world: 'leases, low trust', violates: lost },
  { name: '5: a pair does not overwrite a mark', leftOut: 'overwritesMark', world: 'leases, low trust', violates: lost },
  { name: '5: a recovered pair does not overwrite the pair that it ended', leftOut: 'overwritesEnded', world: 'leases, once', violates: ['P1', 'P2', 'P6'] },
  { name: '5: a pair of the same spent token is always overwritten', leftOut: 'overwritesOnlyEnded', world: 'leases, once', violates: ['P1', 'P3', 'P6', 'P7'] },
  { name: '5: a recovered pair overwrites another recovered one', leftOut: 'recoveredStays', world: 'leases', violates: ['P1', 'P3', 'P6'] },
  { name: '5: a pair overwrites whatever newer pair is there', leftOut: 'newerStays', world: 'store, low trust', violates: ['P1', 'P3'] },
  { name: '6: a mark is written whatever the revision', leftOut: 'marksByRevision', world: 'leases, low trust', violates: ['P1', 'P3', 'P6'] },
  { name: '7: a lease ends while its attempt is at work', leftOut: 'outlasts', world: 'quiet', violates: ['P4'] },
  { name: '7: a record is renewed whatever the revision', leftOut: 'renewsByRevision', world: 'leases, heartbeats', violates: ['P1', 'P3', 'P6', 'P7'] },
  { name: '7: an attempt renews a lease of another, and goes on under it', leftOut: 'renewsOnlyOwn', world: 'leases, heartbeats', violates: ['P1', 'P3', 'P6', 'P7'] },
  { name: '8: a callback writes whatever the revision', leftOut: 'connectsByRevision', world: 'callbacks of a merchant who left', violates: ['P3'] },
  { name: '8: a callback does not overwrite the connection that it found', leftOut: 'replacesOwn', world: 'callbacks that fail, of a merchant who left', violates: ['P6'] },
  { name: '8: a callback overwrites whatever is there', leftOut: 'leavesOther', world: 'callbacks of a new merchant', violates: ['P3'] },
  { name: '8: a callback tries again after a disconnect', leftOut: 'dropsForGoneConnection', world: 'callbacks that fail, of a new merchant', violates: ['P1', 'P5', 'P6'] },
  { name: '8: a callback overwrites a mark although its own write may have happened', leftOut: 'leavesMarkedIfUnsure', world: 'callbacks that fail, and leases', violates: lost, isSlow: true },
  { name: '18: a pair that came by recovery is not doubtful', leftOut: 'doubtsRecovered', world: 'late requests and refusals', violates: ['P7'] },
  { name: '18: a pair obtained over a lease is not doubtful', leftOut: 'doubtsLease', world: 'late requests and refusals', violates: ['P7'] },
  { name: '18: a pair obtained over a mark is not doubtful', leftOut: 'doubtsMark', world: 'late requests and refusals', violates: ['P7'] },
  { name: '18: a pair written over somebody\'s lease is not doubtful', leftOut: 'doubtsOverLease', world: 'leases', violates: ['P7'] },
  { name: '18: a pair written over a mark is not doubtful', leftOut: 'doubtsOverMark', world: 'late requests, refusals and leases', violates: ['P7'] }
]
