/** What of a store lives longer than a process: the texts by key. */
export class TextStore {
  rows = new Map()
  /** Says of each write whether it fails. */
  fails = () => false

  async get (key) {
    const text = this.rows.get(key)
    return text === undefined ? undefined : JSON.parse(text)
  }

  async set (key, value) {
    if (this.fails()) throw new Error('the database is down')
    this.rows.set(key, JSON.stringify(value))
  }

  async delete (key) {
    this.rows.delete(key)
  }

  /** The same rows as another process would see them. */
  another () {
    const store = new TextStore()
    store.rows = this.rows
    return store
  }
}
