import { integerWithin } from '../core/limits.ts'
import { type Runner, runOn, type Session } from './connection.ts'
import type { PostgresDriver, PostgresSettings } from './driver.ts'
import { isLockTimeout } from './errors.ts'
import { withSession } from './migrating.ts'
import { migrationStatements } from './migration-statements.ts'
import {
  type PartitionStatements,
  partitionStatements,
  waitForReading,
  waitShortly,
} from './partition-statements.ts'
import { extendPartitions } from './partitions.ts'
import { begin, commit, logStatements, rollback } from './statements.ts'
import { transact } from './transaction.ts'

/** How a log is to be partitioned. */
export interface PartitionOptions {
  /** Default `daybook`. */
  readonly schema?: string
  /** Events in a partition: 1 to 1,000,000,000,000. Millions are sensible: every read has to know of every partition. */
  readonly events: number
  /** The module `pg`, when it is not to be imported by its name. */
  readonly driver?: PostgresDriver
  /** How long to try for the locks, in ms: 100 to 600,000, default 60,000. */
  readonly timeoutMs?: number
}

/** What a log is divided into. */
export interface PartitionReport {
  /** True when the log was divided now, false when it was before. */
  readonly isNew: boolean
  /** Events in a partition that is made from now on. */
  readonly events: number
  /** All partitions with their first and last position, in order; some are made ahead. */
  readonly partitions: readonly {
    readonly table: string
    readonly firstPosition: number
    readonly lastPosition: number
  }[]
}

/** A log up to this many events is looked at within the switch: that takes a few milliseconds. */
const smallLog = 10_000
/** How far the log may grow, at least, between the preparation of the switch and the switch. */
const leastRoom = 100_000

/**
 * Divides a log into partitions by position, or gives those of a divided log another size from now on. The events that
 * are there become the first partition, and are not moved. Others may read and append meanwhile: reads wait for 200 ms
 * at most and for the few milliseconds of the switch. Needs the rights of the schema's owner.
 *
 * When it is broken off, do it again: it goes on where it was.
 *
 * @throws DaybookError `STORE_BUSY` when a transaction that has read the log stays open for longer than the time-out
 */
export async function partitionPostgres(
  connection: string | PostgresSettings,
  options: PartitionOptions,
): Promise<PartitionReport> {
  const events = integerWithin('events', options.events, 1, 1_000_000_000_000)
  return withSession(connection, options, (session, schema) => new Switch(session, schema, events).run())
}

interface LogState {
  readonly partitionEvents: number | undefined
  /** The first position beyond the coming first partition, when it is prepared. */
  readonly beyond: number | undefined
  readonly isValidated: boolean
  readonly head: number
}

/** Divides one log. */
class Switch {
  readonly #session: Session
  readonly #schema: string
  readonly #events: number
  readonly #sql: PartitionStatements

  constructor(session: Session, schema: string, events: number) {
    this.#session = session
    this.#schema = schema
    this.#events = events
    this.#sql = partitionStatements(schema)
  }

  async run(): Promise<PartitionReport> {
    let { partitionEvents, isValidated, head } = await this.#readState(this.#session)
    const isNew = partitionEvents === undefined
    while (partitionEvents === undefined) {
      if (head > smallLog && !isValidated) await this.#prepare()
      await this.#patiently((runner) => this.#switchOver(runner))
      ;({ partitionEvents, isValidated, head } = await this.#readState(this.#session))
    }
    if (partitionEvents !== this.#events) await this.#session.run(this.#sql.resize, [this.#events])
    await extendPartitions(this.#session, this.#sql, 0)
    const rows = await this.#session.run(this.#sql.list)
    const partitions = rows.map(([table, first, last]) => ({
      table: String(table),
      firstPosition: Number(first ?? 1),
      lastPosition: Number(last),
    }))
    return { isNew, events: this.#events, partitions }
  }

  /** Bounds the first partition, and has the events that are there looked at. */
  async #prepare(): Promise<void> {
    await this.#patiently(async (runner) => {
      const { beyond, head, partitionEvents } = await this.#readState(runner)
      if (beyond !== undefined || partitionEvents !== undefined) return
      await runner.run(waitShortly)
      const room = Math.max(leastRoom, this.#events, Math.trunc(head / 4))
      await runner.run(this.#sql.prepare(this.#roundedUp(head + room) + 1, 'NOT VALID'))
    })
    const { timeoutMs } = this.#session.address
    const client = await this.#session.connected()
    // It takes as long as reading the log does, so nothing ends the wait for its answer.
    await runOn(client, begin(timeoutMs, true))
    await runOn(client, waitForReading)
    await runOn(client, this.#sql.validate).catch(async (error) => {
      await runOn(client, rollback)
      throw error
    })
    await runOn(client, commit)
  }

  /** Under the log's lock nobody appends, so that only those who read can be in the way of the table's lock. */
  async #switchOver(runner: Runner): Promise<void> {
    await runner.run(logStatements(this.#schema).lock)
    await runner.run(waitShortly)
    await runner.run(this.#sql.lockTable)
    const { partitionEvents, beyond, isValidated, head } = await this.#readState(runner)
    if (partitionEvents !== undefined) return
    if (head > smallLog && !isValidated) return
    if (beyond === undefined) await runner.run(this.#sql.prepare(this.#roundedUp(Math.max(1, head)) + 1, ''))
    await runner.run(this.#sql.switchOver(this.#events))
  }

  #roundedUp(position: number): number {
    return Math.ceil(position / this.#events) * this.#events
  }

  /** In a transaction, alone among those who change the schema; again when others were in the way. */
  async #patiently(work: (runner: Runner) => Promise<void>): Promise<void> {
    const { timeoutMs, host } = this.#session.address
    const startMs = performance.now()
    for (let delayMs = 50; ; delayMs = Math.min(1_000, delayMs * 2)) {
      try {
        return await transact(this.#session, begin(timeoutMs, true), async (transaction) => {
          await transaction.run(migrationStatements(this.#schema).lock)
          await work(transaction)
        })
      } catch (error) {
        if (!isLockTimeout(error) || performance.now() - startMs >= timeoutMs) throw error
      }
      await host.sleep(delayMs * (0.5 + host.random()))
    }
  }

  async #readState(runner: Runner): Promise<LogState> {
    const [row] = await runner.run(this.#sql.readState)
    const [partitionEvents, beyond, isValidated, head] = row ?? []
    return {
      partitionEvents: numberOrUndefined(partitionEvents),
      beyond: numberOrUndefined(beyond),
      isValidated: isValidated === 't',
      head: Number(head),
    }
  }
}

function numberOrUndefined(text: string | null | undefined): number | undefined {
  return text === null || text === undefined ? undefined : Number(text)
}
