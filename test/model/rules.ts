/**
 * The rules of the refresh protocol, as far as the model can leave them out: each member is one thing that the protocol does, and `false`
 * a protocol that does not. The number in front is the rule's.
 */
export const theRules = {
  /** 1: a lease of somebody else's that has not ended is waited for. */
  waitsForLease: true,
  /** 2: the lease is written before Clover is called. */
  leasesFirst: true,
  /** 2: after a lease write of unknown outcome the record is read, and Clover is called only under a lease that is seen there. */
  looksForLease: true,
  /** 2: ... and that is this attempt's own. */
  looksForOwn: true,
  /** 3: refresh first, recover second. */
  refreshesFirst: true,
  /** 3: the lease is written again before a recovery. */
  leasesRecovery: true,
  /** 3: the lease is written again before a call is repeated. */
  leasesRepeat: true,
  /** 3: a call without an answer leaves the lease where it is. */
  leavesTrace: true,
  /** 3: a refused token is recovered whether or not Clover's answer offers it. */
  recoversUnasked: true,
  /** 3: the token spent for the refused one is tried too. */
  triesSpent: true,
  /** 2, 6: the lease and the mark keep the spent token. */
  keepsSpent: true,
  /** 4: a pair whose write fails is held, and written again. */
  holdsPair: true,
  /** 4: a pair is written by revision. */
  writesByRevision: true,
  /** 4: the record names the token that was presented for its pair, not the one that the pair replaces. */
  namesPresented: true,
  /** 5: a pair is dropped when its merchant is gone. */
  dropsForGone: true,
  /** 5: a pair is written over somebody else's lease. */
  overwritesLease: true,
  /** 5: a pair is written over a mark. */
  overwritesMark: true,
  /** 5: a recovered pair is written over the pair that it ended. */
  overwritesEnded: true,
  /** 5: ... and over no other pair for which the same token was presented. */
  overwritesOnlyEnded: true,
  /** 5: ... and not if that one came by recovery too. */
  recoveredStays: true,
  /** 5: a pair stays in the store if it is neither of the token from which the refresh began, nor of the one presented. */
  newerStays: true,
  /** 6: the mark is written by revision. */
  marksByRevision: true,
  /** 7: no lease ends, by its time or by silence, while its attempt is at work and the store takes its renewals. */
  outlasts: true,
  /** 7: a renewal is written by revision. */
  renewsByRevision: true,
  /** 7: after a renewal that failed or was refused, an attempt goes on from what is stored only if the lease there is its own. */
  renewsOnlyOwn: true,
  /** 8: a callback's pair is written by revision. */
  connectsByRevision: true,
  /** 8: a callback writes over the connection that it found, although it was refreshed meanwhile. */
  replacesOwn: true,
  /** 8: a callback leaves another's connection in place. */
  leavesOther: true,
  /** 8: after a write of unknown outcome a callback leaves another's connection in place even if it is marked. */
  leavesMarkedIfUnsure: true,
  /** 8: a callback does not bring back a record that it found, or may have written, and that is gone. */
  dropsForGoneConnection: true,
  /** 18: a pair is doubtful if it came by recovery. */
  doubtsRecovered: true,
  /** 18: ... or if the record carried a lease when the refresh began. */
  doubtsLease: true,
  /** 18: ... or a mark. */
  doubtsMark: true,
  /** 18: ... or if it is written over a lease of somebody else's. */
  doubtsOverLease: true,
  /** 18: ... or over a mark. */
  doubtsOverMark: true,
  /** Not in the code, but in an earlier wording of rule 18: ... or if the attempt itself left a recovery without an answer. */
  doubtsUnanswered: false
}

export type Rules = typeof theRules

/** Rule 18 left out. */
export const withoutDoubt: Rules = {
  ...theRules, doubtsRecovered: false, doubtsLease: false, doubtsMark: false, doubtsOverLease: false, doubtsOverMark: false
}

/** Rule 18 in an earlier wording, which looked only at the beginning of an attempt and at what it did itself. */
export const doubtAtBeginning: Rules = { ...theRules, doubtsOverLease: false, doubtsOverMark: false, doubtsUnanswered: true }
