/** A book that is not where it was written: restored from a dump, copied, or moved. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { nodeHost } from '../../library/src/host/node-host.ts'
import { type Book, openBook } from '../../library/src/index.ts'
import { migratePostgres, pendingPostgresMigrations, postgres } from '../../library/src/postgres/index.ts'
import { account, balances, openBank, rowsOf } from './bank.ts'

const server = await testServer()
after(() => server.dispose())

/** A closed book with a read model that is caught up, in a database of its own. */
async function closedBook(deposits = 3): Promise<{ readonly database: string; readonly url: string }> {
  const database = await server.createDatabase()
  const url = server.url(database)
  await using book = await openBank(url)
  for (let cents = 1; cents <= deposits; cents++) await book.execute(account.deposit('1', { cents }))
  await book.read(balances).get('1', { notBefore: deposits })
  return { database, url }
}

/** Copies a database, rows, tables and all: what a restored dump of it is. */
async function copyOf(database: string): Promise<string> {
  return server.url(await server.createDatabase(database))
}

async function balanceOf(book: Book): Promise<unknown> {
  return book.read(balances).get('1', { notBefore: await book.head() })
}

const refused = { code: 'STORE_RESTORED', message: /restored from a dump, or copied/ }

describe('a book that was restored or copied', () => {
  it('is refused until somebody says which', async () => {
    const { database, url } = await closedBook()
    const copy = await copyOf(database)
    await assert.rejects(openBank(copy), refused)
    await assert.rejects(openBank(copy, { migrate: false }), refused)
    await assert.rejects(openBank(copy, { readOnly: true }), refused)
    await assert.rejects(migratePostgres(copy), refused)
    await assert.rejects(pendingPostgresMigrations(copy), refused)
    await using original = await openBank(url)
    assert.equal(original.identity.epoch, 1)
  })

  it('begins a new epoch when it was restored, and its read models go on where the dump left them', async () => {
    const { database, url } = await closedBook()
    const copy = await copyOf(database)
    await migratePostgres(copy, { settle: 'restored' })
    await using original = await openBank(url)
    await using book = await openBank(copy)
    assert.deepEqual(book.identity, { bookId: original.identity.bookId, epoch: 2 })
    assert.deepEqual(await balanceOf(book), { cents: 6 })
    const done = await book.execute(account.deposit('1', { cents: 4 }))
    assert.equal(done.position, 4)
    assert.deepEqual(await balanceOf(book), { cents: 10 })
    assert.deepEqual(await book.verify(), { events: 4 })
    assert.deepEqual((await migratePostgres(copy)).applied, [])
  })

  it('has nobody left who runs or shares a subscription, and nothing parked from beyond its end', async () => {
    const { database } = await closedBook()
    const copy = await copyOf(database)
    // Who ran it runs it elsewhere, and events 3 and 4 are not in the dump.
    await rowsOf(
      copy,
      `UPDATE daybook.checkpoint SET owner = 'elsewhere', token = 7, leased_until_ms = 9000000000000,
         is_paused = true, trial_position = 3, trial_attempts = 1;
       INSERT INTO daybook.member VALUES ('g', 'elsewhere', 9000000000000);
       INSERT INTO daybook.parked_event
         SELECT 'mails', n, 'e' || n, 'account-1', 'Deposited', 'parked', 1, 'it failed', NULL, 0, 0, NULL, NULL
         FROM generate_series(2, 4) AS n;
       INSERT INTO daybook.seen_event SELECT 'mails', 'e' || n, n FROM generate_series(2, 4) AS n;
       SET session_replication_role = replica;
       DELETE FROM daybook.event WHERE position = 3;
       DELETE FROM daybook.event_index WHERE position = 3;
       UPDATE daybook.checkpoint SET position = 2`,
    )
    await migratePostgres(copy, { settle: 'restored' })
    const opened = await postgres(copy).open(nodeHost())
    const { following } = opened
    try {
      const [held] = await following.leases()
      assert.deepEqual(
        [held?.owner, held?.token, held?.isPaused, held?.trial],
        [undefined, 8, true, undefined],
      )
      assert.deepEqual(await following.join('g', 'here', 1_000), ['here'])
      assert.deepEqual(
        (await following.parked({ limit: 9 })).map(({ position }) => position),
        [2],
      )
      const seen = await following.transaction((transaction) => transaction.seen('mails', ['e2', 'e3', 'e4']))
      assert.deepEqual([...seen], ['e2'])
    } finally {
      await opened.close()
    }
  })

  it('keeps its epoch when it was moved', async () => {
    const { database } = await closedBook()
    const copy = await copyOf(database)
    await migratePostgres(copy, { settle: 'moved' })
    await using book = await openBank(copy)
    assert.equal(book.identity.epoch, 1)
    assert.deepEqual(await balanceOf(book), { cents: 6 })
  })

  it('is found out when the dump was restored over what it was taken from', async () => {
    const { database, url } = await closedBook()
    await server.run(
      `ALTER SCHEMA daybook RENAME TO gone;
       CREATE SCHEMA daybook;
       DO $$ DECLARE name text; BEGIN
         FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'gone'::regnamespace AND relkind IN ('r', 'p') LOOP
           EXECUTE format('ALTER TABLE gone.%I SET SCHEMA daybook', name);
         END LOOP;
       END $$`,
      database,
    )
    await assert.rejects(openBank(url), refused)
  })

  it('leaves a read model that is ahead of an older dump to be found', async () => {
    const { database } = await closedBook()
    const copy = await copyOf(database)
    // The dump of the log is older than that of the read models: they know an event that is gone.
    await rowsOf(
      copy,
      `SET session_replication_role = replica;
       DELETE FROM daybook.event WHERE position = 3;
       DELETE FROM daybook.event_index WHERE position = 3`,
    )
    await migratePostgres(copy, { settle: 'restored' })
    await assert.rejects(openBank(copy), {
      code: 'CHECKPOINT_BEYOND_HEAD',
      message: /position 3 of epoch 1, the log at 2 of epoch 2/,
    })
    await using book = await openBook({ store: postgres(copy), deciders: [account] })
    await book.execute(account.deposit('1', { cents: 40 }))
    assert.deepEqual(await book.verify(), { events: 3 })
  })
})
