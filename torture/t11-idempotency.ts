/** T11: 64 parallel uses of each idempotency key, from several processes, with kills and restarts in between. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isDaybookError, openBook } from 'daybook'
import { account, type Written } from './accounts.ts'
import { Child } from './child.ts'
import { unsoundness } from './found-log.ts'
import { answerTo, eventCountOf, type Intent, intentsOf } from './intents.ts'
import { killDatabase } from './killing/database.ts'
import { Random } from './random.ts'
import { type BookAddress, storeAt } from './stores/address.ts'
import { type Books, readFoundLogAt, withBooks } from './stores/books.ts'
import { Failures, type TortureOptions, type TortureResult, type TortureTest } from './torture-test.ts'

const processCount = 4
const usesPerProcess = 16
const keysPerWave = 50

export const idempotency: TortureTest = {
  id: 'T11',
  title: '64 parallel uses of each idempotency key have one effect and one answer',
  stores: ['sqlite', 'postgres'],
  run: (options) => withBooks(options.store, (books) => runKeys(options, books)),
}

async function runKeys(options: TortureOptions, books: Books): Promise<TortureResult> {
  const wanted = options.isQuick ? 20 : 1_000
  const failures = new Failures()
  const seed = `${options.seed}/T11`
  const book = new BookOfKeys(books, 'book', new Random(seed), wanted, true)
  await book.prepare()
  let keys = 0
  while (keys < wanted && !options.signal.aborted) {
    keys += await book.wave(keys, keys + (options.isQuick ? 20 : keysPerWave))
    options.progress(keys, wanted)
  }
  failures.add(`seed ${seed}`, await book.problems(keys))
  const { answerCount: answers, kills, databaseKills } = book
  return {
    trials: keys,
    unit: 'keys',
    failures: failures.lines,
    controls: [{ sabotage: 'callers that forget the key', ...(await controlKeys(books, seed)) }],
    facts: { answers, kills, ...(books.server === undefined ? {} : { 'of the database': databaseKills }) },
  }
}

async function controlKeys(books: Books, seed: string): Promise<{ seen: number; trials: number }> {
  const trials = 6
  const book = new BookOfKeys(books, 'control', new Random(seed), trials, false)
  await book.prepare()
  await book.wave(0, trials)
  return { seen: (await book.problems(trials)).length > 0 ? trials : 0, trials }
}

class BookOfKeys {
  answerCount = 0
  kills = 0
  databaseKills = 0
  readonly #books: Books
  readonly #address: BookAddress
  readonly #random: Random
  readonly #usesKeys: boolean
  readonly #intents: readonly Intent[]
  /** Every different answer to each key, and how often it was given. */
  readonly #answers = new Map<string, Map<string, number>>()
  readonly #problems: string[] = []

  constructor(books: Books, name: string, random: Random, keys: number, usesKeys: boolean) {
    this.#books = books
    this.#address = books.address(name)
    this.#random = random
    this.#usesKeys = usesKeys
    this.#intents = intentsOf(keys, random)
  }

  /** Puts money into the accounts that will be emptied. */
  async prepare(): Promise<void> {
    await using book = await openBook({ store: storeAt(this.#address), deciders: [account] })
    const filled = this.#intents.filter(({ kind }) => kind === 'empty')
    await Promise.all(filled.map(({ id }) => book.execute(account.deposit(id, { op: 'filling', cents: 7 }))))
  }

  /** All processes use the same keys at once; most are killed on the way and the keys used again. Returns the keys. */
  async wave(from: number, to: number): Promise<number> {
    const intents = this.#intents.slice(from, to)
    const processes = Array.from({ length: processCount }, () => this.#process(intents))
    await Promise.all([...processes, this.#killDatabase()])
    return intents.length
  }

  /** Kills the database while the keys are used, so that answers are lost and what was not flushed is gone. */
  async #killDatabase(): Promise<void> {
    const { server } = this.#books
    if (server === undefined || !this.#usesKeys) return
    const random = this.#random
    for (let left = random.integer(1, 2); left > 0; left--) {
      await sleep(300 + random.next() * 1_000)
      await killDatabase(server, random)
      this.databaseKills++
    }
  }

  async #process(intents: readonly Intent[]): Promise<void> {
    const random = this.#random
    for (let isDone = false; !isDone; ) {
      const config = {
        address: this.#address,
        intents: random.chance(0.5) ? intents : random.shuffled(intents),
        uses: usesPerProcess,
        usesKeys: this.#usesKeys,
      }
      const child = new Child('key-user', config, ({ key, answer, problem }) => {
        if (typeof problem === 'string') this.#problems.push(`${String(key)}: ${problem}`)
        else if (typeof answer === 'string') this.#note(String(key), answer)
      })
      if (this.#usesKeys && random.chance(0.6)) {
        await child.spoke
        await sleep(random.next() * 150)
        child.kill()
      }
      const { code, signal } = await child.ended
      if (signal === 'SIGKILL') this.kills++
      else if (code !== 0) throw new Error(`a process ended with ${code}: ${child.errors}`)
      isDone = signal !== 'SIGKILL'
    }
  }

  #note(key: string, answer: string): void {
    this.answerCount++
    const answers = this.#answers.get(key) ?? new Map<string, number>()
    this.#answers.set(key, answers.set(answer, (answers.get(answer) ?? 0) + 1))
  }

  /** What the log and the answers contradict, of the keys used so far. */
  async problems(keys: number): Promise<string[]> {
    const used = this.#intents.slice(0, keys)
    const found = await readFoundLogAt(this.#address)
    const counts = Map.groupBy(found.rows, ({ data }) => (JSON.parse(data) as Written).op)
    const problems = [...this.#problems, ...unsoundness(found)]
    for (const intent of used) {
      const count = counts.get(intent.key)?.length ?? 0
      const answers = this.#answers.get(intent.key) ?? new Map<string, number>()
      if (count !== eventCountOf(intent)) problems.push(`${intent.key} (${intent.kind}) has ${count} events`)
      if (answers.size !== 1) problems.push(`${intent.key} (${intent.kind}) has ${answers.size} answers`)
      const uses = [...answers.values()].reduce((sum, times) => sum + times, 0)
      if (uses < processCount * usesPerProcess) problems.push(`${intent.key} was answered ${uses} times only`)
    }
    return [...problems, ...(this.#usesKeys ? await this.#afterwards(used) : [])]
  }

  /** Much later, in a new process' book: the same answer still, and other content under the same key is refused. */
  async #afterwards(used: readonly Intent[]): Promise<string[]> {
    await using book = await openBook({ store: storeAt(this.#address), deciders: [account] })
    const problems: string[] = []
    for (const intent of used) {
      const answer = await answerTo(book, intent, true)
      if (!this.#answers.get(intent.key)?.has(answer))
        problems.push(`${intent.key} is answered otherwise later`)
      const other = answerTo(book, { ...intent, cents: intent.cents + 1 }, true)
      const isRefused = await other.then(
        () => false,
        (error: unknown) => isDaybookError(error, 'IDEMPOTENCY_KEY_REUSED'),
      )
      if (!isRefused) problems.push(`${intent.key} was taken with other content`)
    }
    return problems
  }
}
