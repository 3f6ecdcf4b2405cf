/** The middle of some numbers; of an even count, the mean of the two in the middle. */
export function median (values) {
  return quantile(values, 0.5)
}

/** A quantile of some numbers, between the two nearest where it falls between them. */
export function quantile (values, share) {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * share
  const low = Math.floor(at)
  return sorted[low] + (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]) * (at - low)
}

/**
 * The median with an interval that holds the true one with 95 % or more, whatever the distribution: two of the values in their order, by the
 * binomial distribution. Fewer than six values cannot give one; then it is the lowest and the highest.
 */
export function medianWithInterval (values) {
  const sorted = [...values].sort((a, b) => a - b)
  const n = sorted.length
  let outside = 0.5 ** n
  let skipped = 0
  let term = outside
  while (true) {
    term *= (n - skipped) / (skipped + 1)
    if (2 * (outside + term) > 0.05 || skipped + 1 >= n / 2) break
    outside += term
    skipped++
  }
  return { median: median(sorted), low: sorted[skipped], high: sorted[n - 1 - skipped] }
}
