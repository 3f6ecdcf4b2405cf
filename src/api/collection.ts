/** @internal A collection, and the function that reads a page of it. */
export interface Collection {
  url: URL
  merchantId: string
  /** Elements of a page; undefined for the default. */
  limit: number | undefined
  /** Reads the body of a page; undefined if it is not JSON. */
  get (url: URL): Promise<unknown>
}
