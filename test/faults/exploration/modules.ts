import { Connections } from '../../../src/tokens/connections.js'
import { Disconnects } from '../../../src/tokens/disconnects.js'
import { Flights } from '../../../src/tokens/flights.js'
import { Placements } from '../../../src/tokens/placements.js'
import { Reader } from '../../../src/tokens/reader.js'
import { RecordMaker } from '../../../src/tokens/record.js'
import { RefreshProtocol } from '../../../src/tokens/refresh.js'
import { Slots } from '../../../src/tokens/slots.js'

/** The code under exploration: the sources themselves. A mutant offers the same. */
export const sources = { Connections, Disconnects, Flights, Placements, Reader, RecordMaker, RefreshProtocol, Slots }
export type TokenModules = typeof sources
