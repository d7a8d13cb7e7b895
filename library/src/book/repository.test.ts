import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { aggregate, defineEvents, openBook, refuse } from '../index.ts'
import { memory } from '../memory/index.ts'

const events = defineEvents({
  Opened: z.object({ owner: z.string() }),
  Deposited: z.object({ cents: z.coerce.number().int() }),
})

class Account extends aggregate('account', events) {
  owner = ''
  cents = 0
  readonly on = this.appliers({
    Opened: ({ owner }) => {
      this.owner = owner
    },
    Deposited: ({ cents }) => {
      this.cents += cents
    },
  })

  open(owner: string): void {
    this.apply(events.Opened({ owner }))
  }

  deposit(cents: number): void {
    if (this.owner === '') throw new Error('not open')
    this.apply(events.Deposited({ cents }))
  }
}

test('methods apply events, saving appends them, loading replays them', async () => {
  await using book = await openBook({ store: memory() })
  const accounts = book.repository(Account)
  const account = await accounts.load('1')
  assert.deepEqual([account.id, account.version, account.owner], ['1', 0, ''])
  account.open('Ada')
  account.deposit(5)
  assert.deepEqual([account.cents, account.version, account.uncommitted.length], [5, 0, 2])
  const { position } = await accounts.save(account, { actor: 'teller' })
  assert.deepEqual([position, account.version, account.uncommitted.length], [2, 2, 0])
  const again = await accounts.load('1')
  assert.notEqual(again, account)
  assert.deepEqual([again.owner, again.cents, again.version], ['Ada', 5, 2])
  const [first] = await book.readStream('account-1').toArray()
  assert.equal(first?.metadata.actor, 'teller')
})

test('of two that were loaded at one version, one is saved; the other keeps its events', async () => {
  await using book = await openBook({ store: memory() })
  const accounts = book.repository(Account)
  const [one, other] = [await accounts.load('1'), await accounts.load('1')]
  one.open('Ada')
  other.open('Bob')
  await accounts.save(one)
  await assert.rejects(accounts.save(other), { code: 'CONCURRENCY_CONFLICT', expected: 0, actual: 1 })
  assert.equal(other.uncommitted.length, 1)
})

test('execute loads, acts and saves again on a conflict', async () => {
  const host = { sleep: () => Promise.resolve() }
  await using book = await openBook({ store: memory(), host, retries: { maxAttempts: 100 } })
  const accounts = book.repository(Account)
  await accounts.execute('1', (account) => account.open('Ada'))
  await Promise.all(Array.from({ length: 20 }, () => accounts.execute('1', (account) => account.deposit(1))))
  const account = await accounts.load('1')
  assert.deepEqual([account.cents, account.version], [20, 21])
})

test('execute with a key acts once', async () => {
  await using book = await openBook({ store: memory() })
  const accounts = book.repository(Account)
  await accounts.execute('1', (account) => account.open('Ada'))
  const options = { idempotencyKey: 'k' }
  let acts = 0
  const deposit = (account: Account): void => {
    acts++
    account.deposit(5)
  }
  await accounts.execute('1', deposit, options)
  const repeat = await accounts.execute('1', deposit, options)
  assert.deepEqual([repeat.cents, acts, await book.head()], [5, 1, 2])
})

test('what a method throws or refuses saves nothing', async () => {
  await using book = await openBook({ store: memory() })
  const accounts = book.repository(Account)
  await assert.rejects(
    accounts.execute('1', (account) => account.deposit(5)),
    /not open/,
  )
  await assert.rejects(
    accounts.execute('1', (account) => {
      account.open('Ada')
      return refuse('NotToday')
    }),
    { code: 'COMMAND_REFUSED' },
  )
  assert.equal(await book.head(), 0)
})

test('events are validated when they are applied, and appliers must exist', async () => {
  class Partial extends aggregate('account', events) {
    readonly on = this.appliers(JSON.parse('{}'))
  }
  await using book = await openBook({ store: memory() })
  const account = await book.repository(Account).load('1')
  assert.throws(() => account.apply(events.Opened(JSON.parse('{"owner":5}'))), { code: 'EVENT_INVALID' })
  account.apply(events.Opened({ owner: 'Ada' }))
  account.apply(events.Deposited({ cents: '7' }))
  assert.deepEqual([account.cents, account.uncommitted.length], [7, 2])
  const partial = await book.repository(Partial).load('1')
  assert.throws(() => partial.apply(events.Opened({ owner: 'Ada' })), { code: 'DEFINITION_INVALID' })
  await assert.rejects(book.repository(Account).save(new Account()), { code: 'ILLEGAL_ARGUMENT' })
})

test('an aggregate is loaded as of a version, and cannot be saved from there', async () => {
  await using book = await openBook({ store: memory() })
  const accounts = book.repository(Account)
  await book.append('account-1', [
    events.Opened({ owner: 'Ada' }),
    ...[1, 2, 3].map((cents) => events.Deposited({ cents })),
  ])
  const past = await accounts.load('1', { atVersion: 3 })
  assert.deepEqual([past.cents, past.version], [3, 3])
  past.deposit(1)
  await assert.rejects(accounts.save(past), { code: 'ILLEGAL_ARGUMENT' })
})
