import type { MigrationProgress } from '../jobs/migration-options.js'
import { counted } from './counted.js'

/** Characters of the bar. */
const width = 12

/** @internal The progress of a migration as one line. Where the total is unknown, as of standard input, it has no bar. */
export function progressBar ({ done, total, rate, timeLeft, refused, failed }: MigrationProgress): string {
  const bar = total === undefined ? counted(done, 'merchant') : `${barOf(done, total)} ${done} of ${total}`
  return [bar, `${rate.toFixed(1)}/s`, ...timeLeft === undefined ? [] : [`${durationOf(timeLeft)} left`], `${refused} refused, ${failed} failed`].join(' | ')
}

function barOf (done: number, total: number): string {
  const full = total === 0 ? width : Math.floor(width * Math.min(1, done / total))
  return '█'.repeat(full) + '░'.repeat(width - full)
}

/** @param seconds rounded up: a run that is not over has a second left */
function durationOf (seconds: number): string {
  return seconds < 120 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`
}
