/** Which of `size` numbered states can reach a state that is good, over the moves from `from[i]` to `to[i]`: 1 where it can. */
export function reverse (size: number, from: Int32Array, to: Int32Array, isGood: (state: number) => boolean): Uint8Array {
  // The moves into each state, one after another: those into state s are at first[s] and on, up to first[s + 1].
  const first = new Int32Array(size + 1)
  for (const state of to) (first[state + 1] as number)++
  for (let state = 0; state < size; state++) (first[state + 1] as number) += first[state] as number
  const next = first.slice()
  const origins = new Int32Array(to.length)
  for (let move = 0; move < to.length; move++) origins[(next[to[move] as number] as number)++] = from[move] as number

  const reached = new Uint8Array(size)
  const waiting = new Int32Array(size)
  let last = 0
  const reach = (state: number) => {
    if (reached[state]) return
    reached[state] = 1
    waiting[last++] = state
  }
  for (let state = 0; state < size; state++) if (isGood(state)) reach(state)
  while (last > 0) {
    const state = waiting[--last] as number
    for (let move = first[state] as number; move < (first[state + 1] as number); move++) reach(origins[move] as number)
  }
  return reached
}
