import type { LabSettings } from '../settings.js'

/** Something that a person can do to the world of the lab. */
export interface Deed {
  title: string
  /** What it does. */
  says: string
}

/** How many servers there are. */
export const serverCount = 3

/** How many callers come at once. */
export const crowd = 100

/** Seconds that each answer of a slow Clover takes: less than the servers wait. */
export const slowness = 2

export const deedNames = [
  'callers', 'end-token', 'drop-answer', 'refuse', 'slow', 'lock', ...Array.from({ length: serverCount }, (_, i) => `kill-${i + 1}` as const), 'everything'
] as const
export type DeedName = 'callers' | 'end-token' | 'drop-answer' | 'refuse' | 'slow' | 'lock' | `kill-${number}` | 'everything'

/** What each deed is; `kill`: those of all servers. */
export function deedOf (name: DeedName | 'kill', settings: Pick<LabSettings, 'troubleSeconds' | 'lockSeconds'>): Deed {
  const { troubleSeconds, lockSeconds } = settings
  switch (name) {
    case 'callers': return { title: 'A hundred callers now', says: 'The access token ends, and in the same moment a hundred requests want one, at all servers.' }
    case 'end-token': return { title: 'End the access token', says: 'Clover refuses it from now on, before its time. The next caller finds out.' }
    case 'drop-answer': return { title: 'Drop Clover\'s next answer', says: 'A refresh begins, and its answer is lost: the refresh token is spent, and the new pair does not arrive.' }
    case 'refuse': return { title: `Refuse everything for ${troubleSeconds} s`, says: 'Clover answers 503 to every call of the servers.' }
    case 'slow': return { title: `Answer slowly for ${troubleSeconds} s`, says: `Clover takes ${slowness} s for each answer.` }
    case 'lock': return { title: `Lock the database for ${lockSeconds} s`, says: 'No server can write: no refresh can begin, and no new pair can be stored.' }
    case 'kill': return { title: 'Kill a server', says: 'In the middle of a refresh: Clover has spent the refresh token, and the process dies (SIGKILL) before it has the answer. Another takes its place, and the pair comes back once the access token is due.' }
    case 'everything': return { title: 'All at once', says: 'Everything above in one moment, with one of the servers killed.' }
    default: return { title: `Kill ${name.replace('kill-', 'server ')}`, says: deedOf('kill', settings).says }
  }
}
