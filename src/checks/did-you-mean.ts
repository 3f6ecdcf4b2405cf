/**
 * @internal A question that suggests the known name most similar to an unknown one; empty if none is similar.
 *
 * Case is ignored. Names are similar if at most two letters, and at most a third of the letters, differ.
 *
 * @param prefix put before the name, such as `keepAlive.`
 */
export function didYouMean (name: string, known: readonly string[], prefix = ''): string {
  const most = Math.min(2, Math.floor(name.length / 3))
  const [nearest] = known
    .filter(other => Math.abs(other.length - name.length) <= most)
    .map(other => ({ other, changes: changesBetween(name.toLowerCase(), other.toLowerCase()) }))
    .filter(({ changes }) => changes <= most)
    .sort((a, b) => a.changes - b.changes)
  return nearest === undefined ? '' : `: did you mean ${prefix}${nearest.other}?`
}

/** The number of letters to insert, drop or replace (Levenshtein's distance). */
function changesBetween (a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (const [i, letter] of [...a].entries()) {
    let left = i + 1
    row = [left, ...[...b].map((other, j) => {
      left = Math.min(left + 1, Number(row[j + 1]) + 1, Number(row[j]) + (letter === other ? 0 : 1))
      return left
    })]
  }
  return Number(row.at(-1))
}
