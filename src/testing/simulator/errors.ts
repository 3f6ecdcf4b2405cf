import createError from '@fastify/error'

/** The error of a wrong use of the simulator. */
export interface SimulatorMisuse extends TypeError {
  code: 'FST_CLOVER_SIMULATOR_MISUSE'
  statusCode: number
}

/** The class {@link SimulatorMisuse}, for `instanceof`. */
export interface SimulatorMisuseClass {
  new (sentence: string): SimulatorMisuse
  readonly prototype: SimulatorMisuse
}

/** Thrown, and rejected by `cloverSimulator`, if the simulator is used wrongly: a bad option, an unknown app, a malformed id. */
// The type is written out for the same reason as that of errorCodes.
export const SimulatorMisuse: SimulatorMisuseClass = createError<'FST_CLOVER_SIMULATOR_MISUSE', 500, [string]>('FST_CLOVER_SIMULATOR_MISUSE', '%s', 500, TypeError)
