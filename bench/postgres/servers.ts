import { npmBinaries, type PostgresServer, startServer } from '@daybook/postgres-server'
import { Skipped } from '../benchmark.ts'
import { queryServer } from '../self-check.ts'
import { buildSlowFlush, type SlowFlush } from './slow-flush.ts'

/** Room for what a run touches; everything else is as PostgreSQL comes, flushed at every commit. */
export const settings = { shared_buffers: '512MB', max_wal_size: '8GB' }

/** The servers of a run, each started when it is first needed: product and baseline share one. */
export class Servers implements AsyncDisposable {
  #ordinary: Promise<PostgresServer> | undefined
  #slowFlush: Promise<PostgresServer> | undefined
  #library: SlowFlush | undefined

  /** Throws `Skipped` where npm has no PostgreSQL. */
  ordinary(): Promise<PostgresServer> {
    requireBinaries()
    this.#ordinary ??= startServer({ settings })
    return this.#ordinary
  }

  /** One whose every flush takes 2 ms longer. Throws `Skipped` where it cannot be built. */
  slowFlush(): Promise<PostgresServer> {
    requireBinaries()
    this.#library ??= buildSlowFlush()
    this.#slowFlush ??= startServer({ settings, environment: { LD_PRELOAD: this.#library.path } })
    return this.#slowFlush
  }

  /** Makes a database and returns its address. */
  async database(server: PostgresServer, name: string): Promise<string> {
    const database = name.replaceAll(/\W/g, '_')
    await queryServer(server.url(), `CREATE DATABASE ${database}`)
    return server.url(database)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const starting of [this.#ordinary, this.#slowFlush]) {
      const server = await starting?.catch(() => undefined)
      await server?.dispose()
    }
    this.#library?.remove()
  }
}

function requireBinaries(): void {
  if (npmBinaries() === undefined) throw new Skipped('npm has no PostgreSQL for this platform')
}
