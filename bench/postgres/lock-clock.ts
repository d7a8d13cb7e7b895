import type { PostgresDriver } from 'daybook/postgres'
import { Client } from 'pg'

/** Times how long the log's lock is held, by watching what connections are asked and answered. */
export class LockClock {
  /** One time for each transaction that took the lock and committed. */
  readonly heldMs: number[] = []

  /** The class of `pg`, whose connections are all watched. */
  clientClass(): PostgresDriver['Client'] {
    const watch = (client: object): void => this.watch(client)
    return class extends Client {
      constructor(settings: ConstructorParameters<typeof Client>[0]) {
        super(settings)
        watch(this)
      }
    }
  }

  /** Watches one connection, whose transactions follow one another. */
  watch(client: object): void {
    const query: unknown = Reflect.get(client, 'query')
    if (typeof query !== 'function') throw new Error('a connection has no query')
    let lockedMs: number | undefined
    const watched = (...parameters: readonly unknown[]): unknown => {
      const answer: unknown = Reflect.apply(query, client, parameters)
      const text = textOf(parameters[0])
      const isLock = text.includes('pg_advisory_xact_lock')
      if (!(answer instanceof Promise) || !(isLock || text === 'COMMIT')) return answer
      return answer.then((result: unknown) => {
        if (isLock) lockedMs = performance.now()
        else if (lockedMs !== undefined) {
          this.heldMs.push(performance.now() - lockedMs)
          lockedMs = undefined
        }
        return result
      })
    }
    Reflect.set(client, 'query', watched)
  }
}

function textOf(query: unknown): string {
  if (typeof query === 'string') return query
  const isObject = typeof query === 'object' && query !== null && 'text' in query
  return isObject ? String(query.text) : ''
}
