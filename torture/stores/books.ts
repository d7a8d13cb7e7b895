/** Books for a test: files in a folder, or schemas of a PostgreSQL of the test's own. */
import { cpSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type PostgresServer, startServer } from '@daybook/postgres-server'
import { openBook } from 'daybook'
import { type FoundLog, readFoundLog } from '../found-log.ts'
import { withScratch } from '../scratch.ts'
import { type BookAddress, type StoreName, storeAt } from './address.ts'
import { readPostgresLog } from './found-in-postgres.ts'

/** Where a test has its books, and the server behind them where there is one. */
export interface Books {
  /** The address of a book that does not exist yet. The name is made of letters, digits and `_`. */
  address(name: string): BookAddress
  readonly server: PostgresServer | undefined
}

const serverSettings = {
  // Twenty processes that keep ten books need 240.
  max_connections: '500',
  // What nobody waits for stays in memory, and is gone when the server is killed.
  wal_writer_delay: '2s',
  // A server that is killed all the time need not keep more of its log than it must.
  max_wal_size: '256MB',
  min_wal_size: '80MB',
  // One call instead of a thousand when it starts again; not every system has it.
  ...(process.platform === 'linux' ? { recovery_init_sync_method: 'syncfs' } : {}),
}

/** Runs work with books of its own, gone when it is over. */
export async function withBooks<Result>(
  store: StoreName,
  work: (books: Books) => Promise<Result>,
): Promise<Result> {
  if (store === 'sqlite')
    return withScratch('disk', (folder) =>
      work({
        address: (name) => ({ store: 'sqlite', path: join(folder, `${name}.db`) }),
        server: undefined,
      }),
    )
  const server = await startServer({ isDetached: true, settings: serverSettings })
  const stop = disposeAtExit(server)
  try {
    return await work({
      address: (name) => ({ store: 'postgres', url: server.url(), schema: name }),
      server,
    })
  } finally {
    stop()
    await server.dispose()
  }
}

/** A second Ctrl-C ends this process at once: the server goes with it. Returns how to call it off. */
function disposeAtExit(server: PostgresServer): () => void {
  const kill = (): void => {
    for (const pid of server.processIds()) process.kill(pid, 'SIGKILL')
    rmSync(join(server.dataFolder, '..'), { recursive: true, force: true })
  }
  process.once('exit', kill)
  return () => process.off('exit', kill)
}

/** Makes the book, so that a kill while it is made does not spoil what comes. */
export async function makeBook(address: BookAddress): Promise<void> {
  await (await openBook({ store: storeAt(address) })).close()
}

/** Everything a book holds of its log, read without the product. One that was not made yet is empty. */
export async function readFoundLogAt(address: BookAddress): Promise<FoundLog> {
  if (address.store === 'postgres') return readPostgresLog(address.url, address.schema)
  if (!existsSync(address.path)) return { rows: [], keys: [], tagCounts: new Map(), check: 'ok' }
  return readFoundLog(address.path)
}

/** A copy of a book's files, as a kill left them. Only files can be copied so. */
export function copyOf(address: Extract<BookAddress, { store: 'sqlite' }>): BookAddress {
  const copy = `${address.path}.copy`
  for (const suffix of ['', '-wal', '-shm', '-journal']) {
    rmSync(copy + suffix, { force: true })
    if (existsSync(address.path + suffix)) cpSync(address.path + suffix, copy + suffix)
  }
  return { store: 'sqlite', path: copy }
}
