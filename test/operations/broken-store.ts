import type { Test } from 'tap'
import type { CloverStorage } from '../../src/storage/index.js'
import { rightStorage, type Data } from '../testing/broken.js'
import { startDoctorHost, type DoctorHostOptions } from './doctor-host.js'

/** The checks of the store, in their order. */
export const storageChecks = ['storage-inserts', 'storage-reads', 'storage-updates', 'storage-lists', 'records', 'storage-deletes']

/** The findings about a store; nothing listens, which is quicker. */
export async function lookAt (t: Test, storage: CloverStorage, more: DoctorHostOptions = {}) {
  const host = await startDoctorHost(t, { listens: false, options: { storage, callTimeout: 300 }, ...more })
  return { ...host, findings: await host.diagnose() }
}

/** A right store, with some methods broken. */
export function breaking (breaks: (right: Required<CloverStorage>, data: Data) => Partial<CloverStorage>): { storage: CloverStorage, data: Data } {
  const data: Data = new Map()
  const right = rightStorage(data)
  return { storage: { ...right, ...breaks(right, data) }, data }
}
