import createError from '@fastify/error'

/** Thrown (and the factory's rejection) when the simulator is used wrongly: a bad option, an unknown app, a malformed id. */
export const SimulatorMisuse = createError<[string]>('FST_CLOVER_SIMULATOR_MISUSE', '%s', 500, TypeError)
