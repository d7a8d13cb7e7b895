import { type Book, openBook } from 'daybook'
import { type PostgresDriver, postgres } from 'daybook/postgres'
import { Client, Pool } from 'pg'
import { account, actor, movementEvent } from '../bank.ts'
import { addressOf } from '../bank-log.ts'
import type { Benchmark, Setting } from '../benchmark.ts'
import { figure, median, type Side, sideBySide, stepsPerSecond } from '../measuring.ts'
import { check, closeChecked } from '../self-check.ts'
import { LockClock } from './lock-clock.ts'
import { PlainLog, plainRow } from './plain-log.ts'

const callers = 64
const connections = 20
const createPayment =
  'CREATE TABLE payment (id bigserial PRIMARY KEY, payer text NOT NULL, cents bigint NOT NULL)'
const insertPayment = {
  name: 'payment',
  text: 'INSERT INTO payment (payer, cents) VALUES ($1, $2)',
  values: ['account-1', 100],
}

/** The application's row and our event in the application's own transaction; against the same with the plain pattern. */
export const appendJoined: Benchmark = {
  name: 'append-joined-64',
  stores: ['postgres'],
  async run(setting) {
    const { servers, rounds } = setting
    const address = await addressOf('append-joined', setting)
    const book = await openBook({ store: postgres(address, { migrate: true }), deciders: [account] })
    const pool = new Pool({ connectionString: address, max: connections })
    await pool.query(createPayment)
    const plainAddress = await servers.database(await servers.ordinary(), 'append-joined-plain')
    const log = await PlainLog.open(plainAddress, connections)
    await log.pool.query(createPayment)
    const [written, writtenPlain] = [{ events: 0 }, { events: 0 }]
    const measured = await sideBySide(
      rounds,
      joining(book, pool, setting, written),
      plainly(log, setting, writtenPlain),
    )
    await pool.end()
    await log.close(writtenPlain.events)
    await closeChecked(book, 'postgres', address, written.events)
    return [figure('append-joined-64', setting, 'events/s', measured)]
  },
}

function joining(book: Book, pool: Pool, { sliceMs }: Setting, written: { events: number }): Side {
  const versions = Array.from({ length: callers }, () => 0)
  return () =>
    stepsPerSecond(sliceMs, callers, async (caller) => {
      const expectedVersion = versions[caller] as number
      const transaction = await pool.connect()
      await transaction.query('BEGIN')
      await transaction.query(insertPayment)
      await book.append(`account-${caller}`, movementEvent(expectedVersion), {
        expectedVersion,
        actor,
        transaction,
      })
      await transaction.query('COMMIT')
      transaction.release()
      versions[caller] = expectedVersion + 1
      written.events++
    })
}

function plainly(log: PlainLog, { sliceMs }: Setting, written: { events: number }): Side {
  const versions = Array.from({ length: callers }, () => 0)
  return () =>
    stepsPerSecond(sliceMs, callers, async (caller) => {
      const version = (versions[caller] as number) + 1
      const row = plainRow(version, `account-${caller}`, version)
      check(await log.appendWith(row, (client) => client.query(insertPayment)), 'a plain append conflicted')
      versions[caller] = version
      written.events++
    })
}

/**
 * How long the log's lock is held for one append, from the server's answer that it is held to the answer of the
 * commit: within the caller's transaction that does nothing after it, against an append of its own.
 */
export const lockHold: Benchmark = {
  name: 'lock-held-joined',
  stores: ['postgres'],
  async run(setting) {
    const { rounds, isQuick } = setting
    const address = await addressOf('lock-held', setting)
    const clock = new LockClock()
    const driver: PostgresDriver = { Client: clock.clientClass() }
    const book = await openBook({ store: postgres(address, { migrate: true, driver }), deciders: [account] })
    const transaction = new Client({ connectionString: address })
    // The server that is stopped after a failure must not hide it.
    transaction.on('error', () => undefined)
    clock.watch(transaction)
    await transaction.connect()
    const appends = isQuick ? 50 : 300
    let written = 0
    const appendOne = async (isJoined: boolean): Promise<void> => {
      if (isJoined) await transaction.query('BEGIN')
      await book.append('account-1', movementEvent(written), isJoined ? { actor, transaction } : { actor })
      if (isJoined) await transaction.query('COMMIT')
      written++
    }
    const side =
      (isJoined: boolean): Side =>
      async () => {
        // The first after those of the other side finds that the log has moved on, and may take the lock twice.
        await appendOne(isJoined)
        clock.heldMs.length = 0
        for (let append = 0; append < appends; append++) await appendOne(isJoined)
        check(
          clock.heldMs.length === appends,
          `the lock was seen ${clock.heldMs.length} times, not ${appends}`,
        )
        return median(clock.heldMs)
      }
    const measured = await sideBySide(rounds, side(true), side(false))
    await transaction.end()
    await closeChecked(book, 'postgres', address, written)
    return [figure('lock-held-joined', setting, 'ms', measured)]
  },
}
