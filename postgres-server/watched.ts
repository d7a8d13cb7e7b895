/** A driver that shows what is sent to the server, and may send something else instead. */
import { Client, type ClientConfig, type QueryConfig } from 'pg'

/** Told of each statement before it is sent. May break the connection, or return the text that is sent instead. */
export type Watch = (text: string, client: Client, settings: ClientConfig) => unknown

/** The module `pg`, whose clients show each statement before they send it. */
export function watchedDriver(watch: Watch): { readonly Client: new (settings: ClientConfig) => Client } {
  class WatchedClient extends Client {
    constructor(settings: ClientConfig) {
      super({ ...settings })
      const send = this.query.bind(this)
      const value = (query: QueryConfig): unknown => {
        const instead = watch(query.text, this, settings)
        return send(typeof instead === 'string' ? { ...query, text: instead } : query)
      }
      Object.defineProperty(this, 'query', { value })
    }
  }
  return { Client: WatchedClient }
}
