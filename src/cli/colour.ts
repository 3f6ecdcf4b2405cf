import { styleText } from 'node:util'
import type { Io } from './io.js'

/** @internal The colours that a message may have. */
export type Colour = 'red' | 'yellow' | 'green' | 'dim'

/** @internal Colours a text for a person who has not switched colours off (https://no-color.org). */
export function colour (io: Pick<Io, 'isTerminal' | 'env'>, name: Colour, text: string): string {
  return io.isTerminal && !io.env.NO_COLOR ? styleText(name, text, { validateStream: false }) : text
}
