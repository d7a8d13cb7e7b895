/** A disk without room left: for the tables, where reading goes on, and for the write-ahead log, where the server itself stops. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { startServer } from '@daybook/postgres-server'
import { isDaybookError } from '../../library/src/core/errors.ts'
import type { Appended, Book } from '../../library/src/index.ts'
import { account, events, openBank, rowsOf } from './bank.ts'

const isRoot = process.getuid?.() === 0
const skip = isRoot ? false : 'mounting a small disk needs root'

/** Runs work in a folder that is a disk of its own, of so many MiB. */
async function onSmallDisk(megabytes: number, work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'daybook-disk-'))
  const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=777`, 'tmpfs', folder])
  assert.equal(mount.status, 0, `mount failed: ${mount.stderr}`)
  try {
    await work(folder)
  } finally {
    spawnSync('umount', ['-l', folder])
    rmSync(folder, { recursive: true })
  }
}

/** Takes all room that is left, but some MiB; returns how to give it back. */
function fill(folder: string, leftMegabytes: number): () => void {
  const { bavail, bsize } = statfsSync(folder)
  const path = join(folder, 'filler')
  const bytes = Math.max(0, Number(bavail) * Number(bsize) - leftMegabytes * 1_048_576)
  writeFileSync(path, Buffer.alloc(bytes))
  return () => rmSync(path)
}

/** Appends one event of half a MiB. */
function appendLarge(book: Book): Promise<Appended> {
  // Random, or the server would compress it.
  const reason = randomBytes(384 * 1_024).toString('base64')
  return book.append('account-1', events.Deposited({ cents: 1 }), { reason })
}

/** Appends events of half a MiB until one is not taken; returns the positions answered, and the error. */
async function appendUntilFull(
  book: Book,
): Promise<{ readonly positions: number[]; readonly error: unknown }> {
  const positions: number[] = []
  for (;;) {
    try {
      positions.push((await appendLarge(book)).position)
    } catch (error) {
      return { positions, error }
    }
    assert.ok(positions.length < 200, 'the disk does not get full')
  }
}

/** The log holds what was answered and perhaps, when that is in doubt, the event after it. */
async function holds(book: Book, positions: readonly number[], more: number): Promise<void> {
  const found = await book.readLog().toArray()
  const last = positions.at(-1) ?? 0
  assert.ok(found.length >= last && found.length <= last + more, `${last} answered, ${found.length} found`)
  assert.deepEqual(await book.verify(), { events: found.length })
}

describe('a disk without room', { skip }, () => {
  it('for the tables: appends are refused and reads go on, until there is room again', () =>
    onSmallDisk(24, async (folder) => {
      await using server = await startServer()
      const place = join(folder, 'tables')
      mkdirSync(place)
      const { uid, gid } = statSync(server.dataFolder)
      chownSync(place, uid, gid)
      await rowsOf(server.url(), `CREATE TABLESPACE small LOCATION '${place}'`)
      await rowsOf(server.url(), 'CREATE DATABASE bank TABLESPACE small')
      await using book = await openBank(server.url('bank'), {}, { follow: false })
      await book.execute(account.deposit('1', { cents: 5 }))
      const giveBack = fill(folder, 2)
      const { positions, error } = await appendUntilFull(book)
      assert.ok(isDaybookError(error, 'STORE_FULL'), String(error))
      await assert.rejects(appendLarge(book), { code: 'STORE_FULL' })
      assert.equal((await book.load(account, '1')).state.cents, 5 + positions.length)
      await holds(book, positions, 0)
      giveBack()
      const { position } = await appendLarge(book)
      assert.equal(position, positions.length + 2)
      await holds(book, [position], 0)
    }))

  it('for the write-ahead log: the server stops, and no answered append is lost', () =>
    onSmallDisk(40, async (folder) => {
      await using server = await startServer({
        settings: { min_wal_size: '32MB', max_wal_size: '32MB', wal_recycle: 'off' },
      })
      await using book = await openBank(server.url(), { timeoutMs: 2_000 }, { follow: false })
      await book.execute(account.deposit('1', { cents: 5 }))
      await server.stop()
      moveWal(server.dataFolder, join(folder, 'wal'))
      await server.start()
      const giveBack = fill(folder, 1)
      const { positions, error } = await appendUntilFull(book)
      const codes = ['STORE_FULL', 'STORE_UNREACHABLE', 'APPEND_IN_DOUBT']
      assert.ok(isDaybookError(error) && codes.includes(error.code), String(error))
      giveBack()
      await server.stop('SIGKILL')
      await server.start()
      await holds(book, positions, 1)
      const { position } = await appendLarge(book)
      await holds(book, [position], 0)
    }))
})

function moveWal(dataFolder: string, to: string): void {
  const { status, stderr } = spawnSync('mv', [join(dataFolder, 'pg_wal'), to])
  assert.equal(status, 0, String(stderr))
  symlinkSync(to, join(dataFolder, 'pg_wal'))
}
