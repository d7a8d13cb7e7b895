/** T11: 64 parallel uses of each idempotency key, from several processes, with kills and restarts in between. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDaybookError, openBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account, type Written } from './accounts.ts'
import { Child } from './child.ts'
import { readFoundLog, unsoundness } from './found-log.ts'
import { answerTo, eventCountOf, type Intent, intentsOf } from './intents.ts'
import { Random } from './random.ts'
import { withScratch } from './scratch.ts'
import { Failures, type TortureOptions, type TortureResult, type TortureTest } from './torture-test.ts'

const processCount = 4
const usesPerProcess = 16
const keysPerWave = 50

export const idempotency: TortureTest = {
  id: 'T11',
  title: '64 parallel uses of each idempotency key have one effect and one answer',
  run: runKeys,
}

async function runKeys(options: TortureOptions): Promise<TortureResult> {
  const wanted = options.isQuick ? 40 : 1_000
  const failures = new Failures()
  const tally = { answers: 0, kills: 0 }
  const seed = `${options.seed}/T11`
  let keys = 0
  await withScratch('disk', async (folder) => {
    const book = new BookOfKeys(join(folder, 'book.db'), new Random(seed), wanted, true)
    await book.prepare()
    while (keys < wanted && !options.signal.aborted) {
      keys += await book.wave(keys, keys + (options.isQuick ? 20 : keysPerWave))
      options.progress(keys, wanted)
    }
    failures.add(`seed ${seed}`, await book.problems(keys))
    tally.answers = book.answerCount
    tally.kills = book.kills
  })
  return {
    trials: keys,
    unit: 'keys',
    failures: failures.lines,
    controls: [{ sabotage: 'callers that forget the key', ...(await controlKeys(seed)) }],
    facts: tally,
  }
}

async function controlKeys(seed: string): Promise<{ seen: number; trials: number }> {
  const trials = 6
  return withScratch('disk', async (folder) => {
    const book = new BookOfKeys(join(folder, 'book.db'), new Random(seed), trials, false)
    await book.prepare()
    await book.wave(0, trials)
    return { seen: (await book.problems(trials)).length > 0 ? trials : 0, trials }
  })
}

class BookOfKeys {
  answerCount = 0
  kills = 0
  readonly #path: string
  readonly #random: Random
  readonly #usesKeys: boolean
  readonly #intents: readonly Intent[]
  /** Every different answer to each key, and how often it was given. */
  readonly #answers = new Map<string, Map<string, number>>()
  readonly #problems: string[] = []

  constructor(path: string, random: Random, keys: number, usesKeys: boolean) {
    this.#path = path
    this.#random = random
    this.#usesKeys = usesKeys
    this.#intents = intentsOf(keys, random)
  }

  /** Puts money into the accounts that will be emptied. */
  async prepare(): Promise<void> {
    await using book = await openBook({ store: sqlite(this.#path), deciders: [account] })
    const filled = this.#intents.filter(({ kind }) => kind === 'empty')
    await Promise.all(filled.map(({ id }) => book.execute(account.deposit(id, { op: 'filling', cents: 7 }))))
  }

  /** All processes use the same keys at once; most are killed on the way and the keys used again. Returns the keys. */
  async wave(from: number, to: number): Promise<number> {
    const intents = this.#intents.slice(from, to)
    await Promise.all(Array.from({ length: processCount }, () => this.#process(intents)))
    return intents.length
  }

  async #process(intents: readonly Intent[]): Promise<void> {
    const random = this.#random
    for (let isDone = false; !isDone; ) {
      const config = {
        path: this.#path,
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
    const found = readFoundLog(this.#path)
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
    await using book = await openBook({ store: sqlite(this.#path), deciders: [account] })
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
