/** A machine of which the power is cut: a disk, a book on it, the database server where there is one. */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type PostgresServer, startServer } from '@daybook/postgres-server'
import type { BookAddress, StoreName } from '../stores/address.ts'
import { makeBook } from '../stores/books.ts'
import { CuttableDisk } from './disk.ts'

const serverSettings = {
  // Nobody flushes by the way.
  wal_writer_delay: '2s',
  // Small, so that checkpoints and the reuse of log files fall between the cuts, too.
  max_wal_size: '48MB',
  min_wal_size: '32MB',
  checkpoint_timeout: '30s',
  recovery_init_sync_method: 'syncfs',
}

/** 50 ms, however few others are at work. */
const slowFlush = new URLSearchParams({ options: '-c commit_delay=50000 -c commit_siblings=0' })

export class Machine {
  /** Where the book is for whoever looks at it. */
  readonly address: BookAddress
  /**
   * Where it is for those who use it: as on a slow disk, each flush takes longer than it must, so that something is
   * committed and not flushed yet most of the time. That is when everything is at stake.
   */
  readonly slowAddress: BookAddress
  readonly #disk: CuttableDisk
  readonly #server: PostgresServer | undefined

  private constructor(disk: CuttableDisk, server: PostgresServer | undefined) {
    this.#disk = disk
    this.#server = server
    this.address =
      server === undefined
        ? { store: 'sqlite', path: join(disk.mountPoint, 'book.db') }
        : { store: 'postgres', url: server.url(), schema: 'book' }
    this.slowAddress =
      server === undefined
        ? this.address
        : { store: 'postgres', url: `${server.url()}?${slowFlush}`, schema: 'book' }
  }

  /** Runs work on a new machine with an empty book; whatever happens, nothing of it is left. Throws `CannotMount`. */
  static async with<Result>(
    store: StoreName,
    folder: string,
    work: (machine: Machine) => Promise<Result>,
  ): Promise<Result> {
    const disk = new CuttableDisk(folder)
    let server: PostgresServer | undefined
    const demolish = (): void => {
      for (const pid of server?.processIds() ?? []) signal(pid, 'SIGKILL')
      disk.dispose()
    }
    const end = (): never => process.exit(143)
    const vanish = (): void => {
      demolish()
      rmSync(folder, { recursive: true, force: true })
    }
    process.once('exit', vanish).once('SIGTERM', end)
    try {
      const options = { parentFolder: disk.mountPoint, isDetached: true, settings: serverSettings }
      if (store === 'postgres') server = await startServer(options)
      const machine = new Machine(disk, server)
      await makeBook(machine.address)
      // How a cluster is made is not what is tested: from here on, what is not flushed is lost.
      disk.settle()
      return await work(machine)
    } finally {
      await server?.stop('SIGKILL')
      demolish()
      process.off('exit', vanish).off('SIGTERM', end)
    }
  }

  /** True when the database has a machine of its own, so that those who use it can outlive it. */
  get isApart(): boolean {
    return this.#server !== undefined
  }

  /** The power goes, in the middle of whatever is under way. Returns when it was, in ns of the monotonic clock. */
  cut(): number {
    const at = Number(process.hrtime.bigint())
    this.#disk.cut()
    return at
  }

  /** Stops the database in the middle of whatever it does: nobody hears of it any more what is not so at a cut. */
  async freeze(): Promise<void> {
    const first = this.#server?.processId
    if (first === undefined) return
    // It starts no others once it is stopped.
    process.kill(first, 'SIGSTOP')
    const all = this.#server?.processIds() ?? []
    for (const pid of all) signal(pid, 'SIGSTOP')
    while (all.some(isRunning)) await sleep(1)
  }

  /** The power is back: what the disk kept is mounted, and the database recovers. */
  async restart(): Promise<void> {
    await this.#server?.stop('SIGKILL')
    this.#disk.restore()
    await this.#server?.start()
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It ended by itself.
  }
}

/** False when the process is stopped, gone, or in a call to the disk, after which it will stop. */
function isRunning(pid: number): boolean {
  try {
    const [state] = /(?<=\) )./.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
    return state === 'R' || state === 'S'
  } catch {
    return false
  }
}
