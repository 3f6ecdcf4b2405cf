import { styleText } from 'node:util'
import type { Io } from './io.js'

/** @internal Colours a text for a person who has not switched colours off (https://no-color.org). */
export function colour (io: Pick<Io, 'isTerminal' | 'env'>, name: 'red' | 'yellow' | 'green' | 'dim', text: string): string {
  return io.isTerminal && !io.env.NO_COLOR ? styleText(name, text, { validateStream: false }) : text
}
