import type { Process, World } from './world.js'

/*
 * The owners of leases. A lease names the attempt that wrote it by a random id; here it is enough to know what may follow from that id: an
 * attempt that runs goes on under its lease, and so does the next attempt of a process that remembers the lease. All others wait for
 * its end.
 */

/** Who wrote a lease, as a number: nobody (there is none), the attempt of a process, a process that remembers it, or somebody who is gone. */
export type Owner = number

export const owner = {
  nobody: 0,
  gone: 15,
  /** The attempt that process `p` makes now. */
  attempt: (p: number): Owner => 1 + 2 * p,
  /** An earlier attempt of process `p`, under whose lease its next one may go on. */
  remembered: (p: number): Owner => 2 + 2 * p,
  /** The process whose attempt it is or was, or undefined. */
  process: (by: Owner): number | undefined => by === owner.nobody || by === owner.gone ? undefined : (by - 1) >> 1
}

/** Gives the leases of one owner to another, wherever they are. */
export function handOver (world: World, from: Owner, to: Owner): void {
  const { record, lateWrite } = world
  if (record?.lease === from) record.lease = to
  if (lateWrite?.record.lease === from) lateWrite.record.lease = to
}

/** An attempt ends: its lease is remembered, or it is nobody's from now on. */
export function leaveLease (world: World, p: number, { isRemembered }: Pick<Process, 'isRemembered'>): void {
  // A process remembers one lease of a merchant.
  if (isRemembered) handOver(world, owner.remembered(p), owner.gone)
  handOver(world, owner.attempt(p), isRemembered ? owner.remembered(p) : owner.gone)
}

/** A process forgets everything. */
export function forgetLeases (world: World, p: number): void {
  handOver(world, owner.attempt(p), owner.gone)
  handOver(world, owner.remembered(p), owner.gone)
}
