/** Resolves with a function that loads a server for some milliseconds and resolves with requests a second; undefined without autocannon. */
export async function loadAutocannon () {
  let autocannon
  try {
    autocannon = (await import('autocannon')).default
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
    return undefined
  }
  return async ({ url, connections, pipelining, milliseconds }) => {
    const began = performance.now()
    const result = await autocannon({ url, connections, pipelining, duration: milliseconds / 1000, sampleInt: 100 })
    const { non2xx, errors } = result
    if (non2xx > 0 || errors > 0) throw new Error(`${url}: ${non2xx} replies without success, ${errors} errors`)
    return result['2xx'] / (performance.now() - began) * 1000
  }
}
