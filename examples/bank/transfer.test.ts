import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accepted, openBook } from 'daybook'
import { memory } from 'daybook/memory'
import { account } from './account.ts'
import { bank } from './bank.ts'
import { ownBank } from './pkdd/generate.ts'
import { recordTransfer, transfer } from './transfer.ts'

async function bookWith(balances: Readonly<Record<string, number>>) {
  const book = await openBook({ store: memory(), ...bank })
  for (const [id, cents] of Object.entries(balances)) {
    await book.execute(account.open(id, { owner: `owner of ${id}` }))
    if (cents > 0) await book.execute(account.deposit(id, { cents }))
  }
  return book
}

test('a transfer is two events in one append', async () => {
  await using book = await bookWith({ a: 100_00, b: 0 })
  const head = await book.head()
  const done = accepted(await book.execute(transfer({ from: 'a', to: 'b', cents: 30_00, purpose: 'rent' })))
  assert.deepEqual(
    done.events.map(({ position, stream, type, data }) => ({ position, stream, type, data })),
    [
      {
        position: head + 1,
        stream: 'account-a',
        type: 'TransferSent',
        data: { cents: 30_00, counterparty: { bank: ownBank, account: 'b' }, purpose: 'rent' },
      },
      {
        position: head + 2,
        stream: 'account-b',
        type: 'TransferReceived',
        data: { cents: 30_00, counterparty: { bank: ownBank, account: 'a' }, purpose: 'rent' },
      },
    ],
  )
  assert.equal(done.state.sender.state.cents, 70_00)
  assert.equal(done.state.receiver.state.cents, 30_00)
})

test('a refused transfer leaves no trace on either side', async () => {
  await using book = await bookWith({ a: 100_00, b: 0, closed: 0 })
  await book.execute(account.close('closed'))
  const head = await book.head()
  const cases = [
    [{ from: 'a', to: 'b', cents: 100_01 }, 'InsufficientFunds'],
    [{ from: 'a', to: 'closed', cents: 1 }, 'AccountNotOpen'],
    [{ from: 'a', to: 'nobody', cents: 1 }, 'AccountNotOpen'],
    [{ from: 'closed', to: 'a', cents: 1 }, 'InsufficientFunds'],
    [{ from: 'a', to: 'a', cents: 1 }, 'SameAccount'],
  ] as const
  for (const [input, reason] of cases) {
    const { refused } = await book.execute(transfer(input))
    assert.equal(refused?.reason, reason)
  }
  await assert.rejects(book.execute(transfer({ from: 'a', to: 'b', cents: -5 })), { code: 'EVENT_INVALID' })
  assert.equal(await book.head(), head)
})

test('many transfers at once neither make nor lose money, and overdraw nobody', async () => {
  const ids = ['a', 'b', 'c', 'd']
  await using book = await bookWith({ a: 50_00, b: 50_00, c: 50_00, d: 50_00 })
  const attempts = Array.from({ length: 60 }, (_, index) => {
    const from = ids[index % 4] ?? 'a'
    const to = ids[(index + 1 + (index % 3)) % 4] ?? 'b'
    return book.execute(transfer({ from, to, cents: 1_00 * ((index % 30) + 1) }))
  })
  const done = (await Promise.all(attempts)).filter(({ refused }) => refused === undefined)
  assert.ok(done.length > 0 && done.length < 60)
  const states = await Promise.all(ids.map((id) => book.load(account, id)))
  assert.equal(
    states.reduce((sum, { state }) => sum + state.cents, 0),
    200_00,
  )
  assert.ok(states.every(({ state }) => state.cents >= 0))
  const events = await book.readLog({ query: { types: ['TransferSent', 'TransferReceived'] } }).toArray()
  assert.equal(events.length, 2 * done.length)
  for (let index = 0; index < events.length; index += 2) {
    const [sent, received] = events.slice(index, index + 2)
    assert.deepEqual([sent?.type, received?.type], ['TransferSent', 'TransferReceived'])
    assert.equal(received?.position, (sent?.position ?? 0) + 1)
    assert.equal(received?.metadata.correlationId, sent?.metadata.correlationId)
  }
})

test('a booked transfer is recorded even when it overdraws the sender, once for each key', async () => {
  await using book = await bookWith({ a: 0, b: 0 })
  const booked = recordTransfer({
    from: 'a',
    to: 'b',
    cents: 5_00,
    transferId: 't1',
    sentReference: '1',
    receivedReference: '2',
  })
  const first = accepted(await book.execute(booked, { idempotencyKey: 'k' }))
  const types = first.events.map(({ type }) => type)
  assert.deepEqual(types, ['TransferSent', 'OverdraftExceeded', 'TransferReceived'])
  const again = accepted(await book.execute(booked, { idempotencyKey: 'k' }))
  assert.equal(again.isRepeat, true)
  assert.deepEqual(again.events, first.events)
})
