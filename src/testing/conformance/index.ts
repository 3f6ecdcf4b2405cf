export { storageConformance } from './conformance.js'
export type { ConformanceCase, ConformanceOptions, MakeStorage, SkipContext, StorageUnderTest } from './types.js'
