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

test('what is applied while a save is under way waits for the next save', async () => {
  await using book = await openBook({ store: memory() })
  const accounts = book.repository(Account)
  const account = await accounts.load('1')
  account.open('Ada')
  const saving = accounts.save(account)
  account.deposit(7)
  const saved = await saving
  assert.deepEqual([saved.position, account.version, account.uncommitted.length], [1, 1, 1])
  await accounts.save(account)
  assert.deepEqual([account.version, account.uncommitted.length], [2, 0])
  const again = await accounts.load('1')
  assert.deepEqual([again.owner, again.cents, again.version], ['Ada', 7, 2])
})

test('a key that was used on one aggregate is refused on another', async () => {
  await using book = await openBook({ store: memory() })
  const accounts = book.repository(Account)
  const options = { idempotencyKey: 'k' }
  await accounts.execute('1', (account) => account.open('Ada'), options)
  const other = accounts.execute('2', (account) => account.open('Bob'), options)
  await assert.rejects(other, { code: 'IDEMPOTENCY_KEY_REUSED' })
  assert.equal(await book.head(), 1)
})

test('a repeat gives the aggregate as it was after the first time', async () => {
  await using book = await openBook({ store: memory() })
  const accounts = book.repository(Account)
  await accounts.execute('1', (account) => account.open('Ada'), { idempotencyKey: 'k' })
  await accounts.execute('1', (account) => account.deposit(7))
  const never = (): never => assert.fail('it acted again')
  const repeat = await accounts.execute('1', never, { idempotencyKey: 'k' })
  assert.deepEqual([repeat.owner, repeat.cents, repeat.version], ['Ada', 0, 1])
})

test('execute waits for what acts asynchronously', async () => {
  await using book = await openBook({ store: memory() })
  const accounts = book.repository(Account)
  const asked = Promise.withResolvers<string>()
  const opening = accounts.execute('1', async (account) => account.open(await asked.promise))
  asked.resolve('Ada')
  assert.deepEqual([(await opening).owner, await book.head()], ['Ada', 1])
  const refusing = accounts.execute('1', () => Promise.resolve(refuse('NotToday')))
  await assert.rejects(refusing, { code: 'COMMAND_REFUSED' })
})

test('a default is filled in once: what was applied is what is stored', async () => {
  let made = 0
  const things = defineEvents({ Made: z.object({ serial: z.number().default(() => ++made) }) })
  class Thing extends aggregate('thing', things) {
    serial = 0
    readonly on = this.appliers({
      Made: ({ serial }) => {
        this.serial = serial
      },
    })
  }
  await using book = await openBook({ store: memory() })
  const repository = book.repository(Thing)
  const thing = await repository.execute('1', (one) => one.apply(things.Made({})))
  assert.deepEqual([thing.serial, (await repository.load('1')).serial, made], [1, 1, 1])
})

test('a snapshot is not trusted when any method of the class has changed', async () => {
  // Both are called Purse and have the same appliers; only the method that those call differs.
  const before = (() => {
    class Purse extends aggregate('purse', events) {
      cents = 0
      readonly on = this.appliers({ Opened: () => {}, Deposited: ({ cents }) => this.add(cents) })
      add(cents: number): void {
        this.cents += cents
      }
      override toSnapshot = (): unknown => ({ cents: this.cents })
      override fromSnapshot = ({ cents }: { cents: number }): void => {
        this.cents = cents
      }
    }
    return Purse
  })()
  const after = (() => {
    class Purse extends aggregate('purse', events) {
      cents = 0
      readonly on = this.appliers({ Opened: () => {}, Deposited: ({ cents }) => this.add(cents) })
      add(cents: number): void {
        this.cents += cents * 100
      }
      override toSnapshot = (): unknown => ({ cents: this.cents })
      override fromSnapshot = ({ cents }: { cents: number }): void => {
        this.cents = cents
      }
    }
    return Purse
  })()
  const store = memory()
  const kinds: string[] = []
  const onDiagnostic = ({ kind }: { kind: string }): unknown => kinds.push(kind)
  const options = { store, snapshots: { everyEvents: 1 }, onDiagnostic }
  const first = await openBook(options)
  await first.append('purse-1', events.Deposited({ cents: 5 }))
  assert.equal((await first.repository(before).load('1')).cents, 5)
  await first.close()
  assert.deepEqual(kinds, [])
  await using second = await openBook(options)
  assert.equal((await second.repository(after).load('1')).cents, 500)
  assert.deepEqual(kinds, ['snapshot-ignored'])
})

test('an aggregate loaded as of a business time cannot be saved, though it may be at the last version', async () => {
  await using book = await openBook({ store: memory() })
  const accounts = book.repository(Account)
  await book.append('account-1', events.Opened({ owner: 'Ada' }), { occurredAt: '2020-01-01' })
  await book.append('account-1', events.Deposited({ cents: -100 }), { occurredAt: '2030-01-01' })
  await book.append('account-1', events.Deposited({ cents: 100 }), { occurredAt: '2020-01-02' })
  const account = await accounts.load('1', { atTime: '2021-01-01' })
  assert.deepEqual([account.cents, account.version], [100, 3])
  account.deposit(1)
  await assert.rejects(accounts.save(account), { code: 'ILLEGAL_ARGUMENT' })
  assert.equal(await book.head(), 3)
})
