/**
 * A time of its own for what only waits: whenever nothing is left to do, it leaps to the next moment that somebody waits for. An hour of
 * waiting then takes no time, and the work between takes what it takes.
 */
export class VirtualTime {
  #now = Date.now()
  #sleepers = [] // a heap by `at`
  #isPumping = false

  now = () => this.#now

  sleep = (milliseconds, signal) => new Promise(resolve => {
    if (signal?.aborted) return resolve()
    const wake = () => {
      signal?.removeEventListener('abort', wake)
      resolve()
    }
    const sleeper = { at: this.#now + Math.max(0, milliseconds), wake }
    signal?.addEventListener('abort', wake)
    this.#push(sleeper)
    if (!this.#isPumping) {
      this.#isPumping = true
      setImmediate(this.#leap)
    }
  })

  #leap = () => {
    const next = this.#pop()
    this.#now = Math.max(this.#now, next.at)
    next.wake()
    if (this.#sleepers.length > 0) setImmediate(this.#leap)
    else this.#isPumping = false
  }

  #push (sleeper) {
    const heap = this.#sleepers
    let i = heap.push(sleeper) - 1
    while (i > 0 && heap[(i - 1) >> 1].at > heap[i].at) {
      const up = (i - 1) >> 1
      ;[heap[i], heap[up]] = [heap[up], heap[i]]
      i = up
    }
  }

  #pop () {
    const heap = this.#sleepers
    const [first] = heap
    const last = heap.pop()
    if (heap.length > 0) {
      heap[0] = last
      for (let i = 0, child; (child = 2 * i + 1) < heap.length; i = child) {
        if (child + 1 < heap.length && heap[child + 1].at < heap[child].at) child++
        if (heap[i].at <= heap[child].at) break
        ;[heap[i], heap[child]] = [heap[child], heap[i]]
      }
    }
    return first
  }
}
