/** Prints how long it took from the end of Node's own start, and the processor time of the whole process, in milliseconds; and ends. */
export function report (token) {
  const time = performance.now() - performance.nodeTiming.bootstrapComplete
  const { user, system } = process.cpuUsage()
  if (token.length < 100) throw new Error('This is no token.')
  console.log(JSON.stringify({ time, processor: (user + system) / 1000 }))
  process.exit()
}
