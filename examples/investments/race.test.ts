import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { after, type TestContext, test } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { type Book, openBook, type Store } from 'daybook'
import { postgres } from 'daybook/postgres'
import { sqlite } from 'daybook/sqlite'
import { investing, openInvestments } from './investing.ts'
import { investment } from './investment.ts'
import { PaymentGateway } from './payment-gateway.ts'
import { investments } from './projections.ts'

const folder = await mkdtemp(join(tmpdir(), 'daybook-investments-'))
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

const ids = Array.from({ length: 40 }, (_, index) => String(index + 1))
const why = { reason: 'changed my mind' }

async function draftAll(book: Book) {
  const draft = (id: string) => book.execute(investment.draft(id, { investor: 'Ada', fund: 'Sea', cents: 5 }))
  await Promise.all(ids.map(draft))
}

/** Each round is two answers, `accepted` or why not; what follows from them must be in the log and at the gateway. */
async function check(t: TestContext, book: Book, gateway: PaymentGateway, answers: readonly string[][]) {
  for (const [submitted, cancelled] of answers) {
    assert.ok(submitted === 'accepted' || submitted === 'NotADraft')
    assert.equal(cancelled, submitted === 'accepted' ? 'NotADraft' : 'accepted')
  }
  const submittedIds = ids.filter((_, index) => answers[index]?.[0] === 'accepted')
  t.diagnostic(`submit won ${submittedIds.length} of ${ids.length} times`)

  const query = { types: ['InvestmentSettled'] }
  await book.readLog({ query, follow: true, limit: submittedIds.length }).toArray()
  const submissions = await book.readLog({ query: { types: ['InvestmentSubmitted'] } }).toArray()
  assert.deepEqual(submissions.map(({ streamId }) => streamId).toSorted(), submittedIds.toSorted())
  const paid = gateway.payments.map(({ idempotencyKey }) => idempotencyKey)
  assert.deepEqual(paid.toSorted(), submissions.map(({ id }) => id).toSorted())

  const model = book.read(investments)
  const notBefore = await book.head()
  const settled = await model.find({ where: { status: 'settled' }, notBefore })
  assert.deepEqual(settled.map(({ key }) => key).toSorted(), submittedIds.toSorted())
  assert.equal(await model.count({ where: { status: 'cancelled' } }), ids.length - submittedIds.length)
}

for (const [name, place] of Object.entries(places)) {
  test(`${name}: of submit and cancel at once exactly one wins, and nothing cancelled is paid`, async (t) => {
    const { store } = await place('two-callers')
    const gateway = new PaymentGateway({ lostAnswers: 10 })
    await using book = await openInvestments(store(), gateway)
    await using adviser = await openBook({ store: store(), ...investing, follow: false })
    await draftAll(book)
    const answers: string[][] = []
    for (const [index, id] of ids.entries()) {
      const submit = () => book.execute(investment.submit(id))
      const cancel = () => adviser.execute(investment.cancel(id, why))
      // Whoever is called first has the start of a moment; so each is, every other time.
      const isSubmitFirst = index % 2 === 0
      const [one, other] = await Promise.all(isSubmitFirst ? [submit(), cancel()] : [cancel(), submit()])
      const said = [one, other].map(({ refused }) => refused?.reason ?? 'accepted')
      answers.push(isSubmitFirst ? said : said.toReversed())
    }
    await check(t, book, gateway, answers)
  })

  test(`${name}: the same from two processes`, async (t) => {
    const { address, store } = await place('two-processes')
    const gateway = new PaymentGateway()
    await using book = await openInvestments(store(), gateway)
    await draftAll(book)
    const callers = [await Caller.start(address), await Caller.start(address)] as const
    t.after(() => {
      for (const caller of callers) caller.stop()
    })
    const race = (id: string) => Promise.all([callers[0].ask(id, 'submit'), callers[1].ask(id, 'cancel')])
    const answers: string[][] = []
    for (const id of ids) answers.push(await race(id))
    await check(t, book, gateway, answers)
  })
}

/** A process of `race/caller.ts`. */
class Caller {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>

  private constructor(address: string) {
    const program = resolve(import.meta.dirname, 'race/caller.ts')
    const env = { ...process.env, INVESTMENTS_STORE: address }
    this.#process = spawn(process.execPath, [program], { env, stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
  }

  static async start(address: string) {
    const caller = new Caller(address)
    assert.equal((await caller.#lines.next()).value, 'ready')
    return caller
  }

  async ask(id: string, wish: 'submit' | 'cancel'): Promise<string> {
    this.#process.stdin.write(`${id} ${wish}\n`)
    const [about, answer = ''] = String((await this.#lines.next()).value).split(' ')
    assert.equal(about, id)
    return answer
  }

  stop() {
    this.#process.stdin.end()
  }
}
