import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { testServer } from '@daybook/postgres-server/testing'
import { accepted, type Book, openBook, type Store } from 'daybook'
import { postgres } from 'daybook/postgres'
import { sqlite } from 'daybook/sqlite'
import { Carrier } from './carrier.ts'
import { order } from './order.ts'
import { PaymentGateway } from './payment-gateway.ts'
import { journeys, orders } from './projections.ts'
import { openShop, paymentConfirmed, shop } from './shop.ts'

const folder = await mkdtemp(join(tmpdir(), 'daybook-orders-'))
const server = await testServer()
after(async () => {
  await server.dispose()
  await rm(folder, { recursive: true, force: true })
})

/** A new place for a book, as a child process is told of it, and its store, as often as it is opened. */
const places = {
  SQLite: async (name: string) => {
    const address = join(folder, `${name}.db`)
    return { address, store: () => sqlite(address) }
  },
  PostgreSQL: async () => {
    const address = server.url(await server.createDatabase())
    return { address, store: (): Store => postgres(address, { migrate: true }) }
  },
}

async function place(book: Book, id: string, customer: string, address = 'Lime Street 1') {
  const [placed] = accepted(await book.execute(order.place(id, { customer, address, cents: 30_00 }))).events
  assert.ok(placed)
  return placed.id
}

/** Waits until so many orders have come to their end. */
async function ended(book: Book, limit: number) {
  const query = { types: ['OrderCompleted', 'OrderCancelled'] }
  await book.readLog({ query, follow: true, limit }).toArray()
}

const carrier = () => new Carrier({ unreachable: ['Atlantis'] })
// Not how often it was asked: on a slow machine a lease may be lost, and an event comes again.
const moved = (gateway: PaymentGateway) =>
  gateway.movements().map(({ order: id, cents }) => `${id}: ${cents}`)

for (const [name, placeOf] of Object.entries(places)) {
  test(`${name}: every order comes to its end, with nothing owed to anybody`, async () => {
    const { store } = await placeOf('whole')
    const gateway = new PaymentGateway({ declined: ['Eve'], slow: ['Bob'] })
    await using book = await openShop(store(), { gateway, carrier: carrier() })
    await place(book, '1', 'Ada')
    await place(book, '2', 'Eve')
    await place(book, '3', 'Ada', 'Atlantis')
    const bobs = await place(book, '4', 'Bob')
    await ended(book, 3)
    // Bob agrees, and the gateway tells it twice.
    await paymentConfirmed(book, await gateway.confirm('4'))
    assert.equal((await paymentConfirmed(book, await gateway.confirm('4'))).isRepeat, true)
    await ended(book, 4)

    const notBefore = await book.head()
    const found = await book.read(orders).find({ notBefore })
    assert.deepEqual(
      found.map(({ key, document: { status, reason } }) => [key, status, reason]),
      [
        ['1', 'completed', undefined],
        ['2', 'cancelled', 'the bank declined'],
        ['3', 'cancelled', 'no way to Atlantis'],
        ['4', 'completed', undefined],
      ],
    )
    assert.deepEqual(moved(gateway), ['1: 3000', '3: 3000', '3: -3000', '4: 3000'])
    const journey = await book.read(journeys).get(bobs, { notBefore })
    assert.partialDeepStrictEqual(journey, { order: '4', customer: 'Bob', paid: 'yes' })
    assert.match(journey?.parcel ?? '', /^parcel-/)
  })

  test(`${name}: a shop that is killed with the money moved moves it no second time`, async (t) => {
    const { address, store } = await placeOf('killed')
    const file = join(folder, `${name}-gateway.db`)
    await using counter = await openBook({ store: store(), ...shop, follow: false })
    await diesAt(t, 'charge', address, file, () => place(counter, '1', 'Ada', 'Atlantis'))
    await diesAt(t, 'refund', address, file)
    const gateway = new PaymentGateway({ file })
    t.after(() => gateway.close())
    await using book = await openShop(store(), { gateway, carrier: carrier() })
    await ended(book, 1)
    const [charge, refund, ...others] = gateway.movements()
    assert.deepEqual([charge?.cents, refund?.cents, others], [30_00, -30_00, []])
    assert.ok([charge, refund].every((movement) => (movement?.asked ?? 0) >= 2))
    assert.partialDeepStrictEqual(await book.read(orders).get('1', { notBefore: await book.head() }), {
      status: 'cancelled',
      reason: 'no way to Atlantis',
    })
  })
}

/** Runs a shopkeeper until it dies at that moment; `work` is done while it is alive. */
async function diesAt(
  t: TestContext,
  moment: 'charge' | 'refund',
  address: string,
  file: string,
  work: () => Promise<unknown> = async () => undefined,
) {
  const program = resolve(import.meta.dirname, 'kill/shopkeeper.ts')
  const env = { ...process.env, SHOP_STORE: address, SHOP_GATEWAY: file, SHOP_DIES_AT: moment }
  const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'inherit', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  const dead = once(child, 'close')
  await work()
  assert.deepEqual(await dead, [null, 'SIGKILL'])
}

test('the story is told, and what it claims happens', async () => {
  const story = resolve(import.meta.dirname, 'story.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [story])
  assert.match(stdout, /order 4 waits for "pay"/)
  assert.match(stdout, /after 24 hours nothing is pending/)
  for (const line of [
    /1 {2}completed {2}Ada/,
    /2 {2}cancelled {2}Eve +the bank declined/,
    /3 {2}cancelled {2}Ada +no way to Atlantis/,
    /4 {2}cancelled {2}Bob +not paid within 24 hours/,
  ])
    assert.match(stdout, line)
  assert.match(stdout, /order 3: 30.00 paid\n.*order 3: -30.00 paid\n/)
  assert.match(stdout, /newest first: 3, 1\n/)
})
