/** What is going on at the servers while a part of the guide is read, and what its steps must then find. */
import assert from 'node:assert/strict'
import { type Book, isDaybookError, openBook } from 'daybook'
import { postgres } from 'daybook/postgres'
import { Client } from 'pg'
import { account } from '../../docs/examples/account.ts'
import { balances } from '../../docs/examples/balances.ts'
import type { GuideRun } from './guide-run.ts'
import { type Row, runSql, until } from './servers.ts'

/** What a step found. */
export interface Found {
  readonly rows: readonly Row[]
  readonly printed: string
}

/** A scene of the guide: what happens around each step below a heading. */
export type Scene = (run: GuideRun, application: Application, step: () => Promise<Found>) => Promise<void>

/** The bank, as long as it is open. */
export class Application implements AsyncDisposable {
  #book: Book | undefined

  /** Opens the bank, if it is not open. */
  async open(run: GuideRun): Promise<Book> {
    if (this.#book !== undefined) return this.#book
    const store = postgres(run.address('bank_app', 'bank'))
    this.#book = await openBook({ store, deciders: [account], projections: [balances] })
    for (const id of ['42', '43']) {
      const { position } = await this.#book.execute(account.open(id, { owner: 'Ada' }))
      await this.#book.read(balances).get(id, { notBefore: position })
    }
    return this.#book
  }

  async close(): Promise<void> {
    await this.#book?.close()
    this.#book = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

const hasRows: Scene = async (_run, _application, step) => {
  assert.ok((await step()).rows.length > 0, 'it finds nothing')
}

/** Until the replica has replayed what the primary has. */
async function caughtUp(run: GuideRun): Promise<void> {
  const [row] = await runSql(run.address('postgres', 'bank'), ['SELECT pg_current_wal_lsn() AS lsn'])
  const replica = run.address('postgres', 'bank', 'replica.example')
  await until(replica, `pg_last_wal_replay_lsn() >= '${String(row?.lsn)}'`)
}

/** A caller's transaction has appended and is left open; another append waits. */
const someoneHoldsTheLock: Scene = async (run, application, step) => {
  const address = run.address('bank_app', 'bank')
  const teller = new Client({ connectionString: address, application_name: 'teller' })
  await teller.connect()
  const book = await application.open(run)
  await teller.query('BEGIN')
  await book.append('note-2', [{ type: 'NoteWritten', data: {} }], { transaction: teller })
  const waiting = book.append('note-3', [{ type: 'NoteWritten', data: {} }])
  try {
    await until(
      run.address('postgres', 'bank'),
      "EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)",
    )
    const { rows } = await step()
    const seen = rows.map(({ holds, application_name: name, state }) => [holds, name, state])
    assert.deepEqual(seen, [
      [true, 'teller', 'idle in transaction'],
      [false, 'daybook writer', 'active'],
    ])
    assert.ok(rows.every((row) => row.open_for !== null))
  } finally {
    await teller.query('COMMIT')
    await teller.end()
    await waiting
  }
}

/** What pg_upgrade does to the identifiers of a book. */
async function elsewhere(run: GuideRun, application: Application): Promise<void> {
  await application.close()
  const asAdministrator = run.address('postgres', 'postgres')
  await runSql(asAdministrator, [
    'CREATE DATABASE bank_upgraded TEMPLATE bank',
    'DROP DATABASE bank WITH (FORCE)',
    'ALTER DATABASE bank_upgraded RENAME TO bank',
    'GRANT CONNECT ON DATABASE bank TO bank_app, bank_report',
  ])
  const store = postgres(run.address('bank_app', 'bank'))
  await assert.rejects(openBook({ store }), (error) => isDaybookError(error, 'STORE_RESTORED'))
}

async function epochOf(address: string): Promise<unknown> {
  return (await runSql(address, ['SELECT epoch FROM daybook.book']))[0]?.epoch
}

/** By heading. */
export const scenes: { readonly [heading: string]: Scene } = {
  'One schema for each tenant': async (run, application, step) => {
    await application.open(run)
    await step()
  },
  'Reading from a replica': async (run, _application, step) => {
    await caughtUp(run)
    assert.match((await step()).printed, /NoteWritten/)
  },
  Partitions: async (run, application, step) => {
    await application.open(run)
    const { rows, printed } = await step()
    assert.ok(printed !== '' || rows.length >= 2, 'there are no partitions')
  },
  'Size and growth': hasRows,
  "The log's lock": someoneHoldsTheLock,
  'The oldest transaction': someoneIsIdle,
  Replicas: async (run, _application, step) => {
    await caughtUp(run)
    const [row] = (await step()).rows
    const { application_name: name, sync_state: state, head } = row ?? {}
    if (head === undefined) assert.deepEqual([name, state], ['replica', 'quorum'])
    else assert.ok(Number(head) > 0)
  },
  'Read models': async (_run, _application, step) => {
    const { rows } = await step()
    const seen = rows.map(({ subscription, events_behind: behind }) => [subscription, Number(behind)])
    assert.deepEqual(seen, [['balances@1', 0]])
  },
  Connections: async (run, application, step) => {
    // What another process wrote is made sure of before it is shown.
    await using other = await openBook({ store: postgres(run.address('bank_app', 'bank')) })
    await other.append('note-4', [{ type: 'NoteWritten', data: {} }])
    await (await application.open(run)).readStream('note-4').toArray()
    const names = new Set((await step()).rows.map((row) => row.application_name))
    const purposes = ['writer', 'flusher', 'reader', 'read models', 'listener']
    assert.deepEqual(
      purposes.filter((purpose) => !names.has(`daybook ${purpose}`)),
      [],
    )
  },
  'Vacuum and bloat': hasRows,
  'Fail-over': async (run, application, step) => {
    const replica = run.address('postgres', 'bank', 'replica.example')
    await application.close()
    const [promoted] = await runSql(replica, ['SELECT pg_is_in_recovery() AS no'])
    if (promoted?.no === true) {
      // Without its only replica the old primary would never acknowledge again.
      const back = ['ALTER SYSTEM RESET synchronous_standby_names', 'SELECT pg_reload_conf()']
      await runSql(run.address('postgres', 'postgres'), back)
      await caughtUp(run)
      await step()
      return
    }
    const before = await epochOf(replica)
    assert.match((await step()).printed, /NoteWritten/)
    assert.equal(Number(await epochOf(replica)), Number(before) + 1)
  },
  'Prove a backup': async (run, _application, step) => {
    const found = await step()
    if (found.printed !== '') return
    assert.deepEqual(found.rows, [{ ...found.rows[0], events: found.rows[0]?.head, first_bad: null }])
    // Triggers do not fire for a superuser who says that this is replication.
    const change = (to: string): Promise<unknown> =>
      runSql(run.address('postgres', 'bank'), [
        'SET session_replication_role = replica',
        `UPDATE daybook.event SET type = '${to}' WHERE position = 2`,
      ])
    const [before] = await runSql(run.address('postgres', 'bank'), [
      'SELECT type FROM daybook.event WHERE position = 2',
    ])
    await change('SomethingElse')
    assert.equal((await step()).rows[0]?.first_bad, '2')
    await change(String(before?.type))
    assert.equal((await step()).rows[0]?.first_bad, null)
  },
  'An upgrade of the server': async (run, application, step) => {
    await elsewhere(run, application)
    const before = await epochOf(run.address('postgres', 'bank'))
    await step()
    assert.equal(await epochOf(run.address('postgres', 'bank')), before)
    await application.open(run)
  },
}

/** The oldest transaction is the one that was left open. */
async function someoneIsIdle(
  run: GuideRun,
  _application: Application,
  step: () => Promise<Found>,
): Promise<void> {
  const sleeper = new Client({
    connectionString: run.address('bank_report', 'bank'),
    application_name: 'idler',
  })
  await sleeper.connect()
  try {
    await sleeper.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await sleeper.query('SELECT 1')
    const { rows } = await step()
    assert.equal(rows[0]?.application_name, 'idler')
    assert.equal(rows[0]?.state, 'idle in transaction')
  } finally {
    await sleeper.end()
  }
}
