/** T6: histories of 32 clients in four processes, with kills, time-outs and a lock held by somebody else. */
import type { Written } from './accounts.ts'
import { Child, type Message } from './child.ts'
import { unsoundness } from './found-log.ts'
import { forgeriesOf } from './histories/forgeries.ts'
import type { Action, Call, History, Outcome } from './histories/history.ts'
import { violations } from './histories/linearizability.ts'
import { troubleFor } from './histories/trouble.ts'
import type { HistoryClientConfig } from './processes/history-client.ts'
import { Random } from './random.ts'
import type { BookAddress } from './stores/address.ts'
import { type Books, makeBook, readFoundLogAt, withBooks } from './stores/books.ts'
import {
  type Control,
  Failures,
  type TortureOptions,
  type TortureResult,
  type TortureTest,
} from './torture-test.ts'

const processCount = 4
const clientsPerProcess = 8
/** How long a client waits for the lock, in ms; PostgreSQL takes no less than 100. */
const timeoutMs = { sqlite: 25, postgres: 200 } as const
const streams = ['account-a', 'account-b', 'account-c', 'account-d', 'account-e']

export const linearizability: TortureTest = {
  id: 'T6',
  title: 'histories of 32 clients are linearizable per stream, positions follow real time',
  stores: ['sqlite', 'postgres'],
  run: (options) => withBooks(options.store, (books) => runHistories(options, books)),
}

async function runHistories(options: TortureOptions, books: Books): Promise<TortureResult> {
  const [histories, calls] = options.isQuick ? [1, 800] : [100, 10_000]
  const failures = new Failures()
  const tally = { calls: 0, events: 0, kills: 0, unanswered: 0, conflicts: 0 }
  const forged = new Map<string, { seen: number; trials: number }>()
  let done = 0
  for (; done < histories && !options.signal.aborted; done++) {
    const seed = `${options.seed}/T6/${done}`
    const recorder = await record(books.address(`book_${done}`), seed, calls)
    const { history } = recorder
    failures.add(`seed ${seed}`, [...recorder.problems, ...violations(history)])
    tally.calls += history.calls.length
    tally.events += history.log.length
    tally.kills += recorder.kills
    tally.unanswered += history.calls.filter(({ outcome }) => outcome === undefined).length
    tally.conflicts += history.calls.filter(({ outcome }) => outcome?.kind === 'conflict').length
    for (const [name, forgery] of forgeriesOf(history)) {
      const { seen, trials } = forged.get(name) ?? { seen: 0, trials: 0 }
      forged.set(name, { seen: seen + (violations(forgery).length > 0 ? 1 : 0), trials: trials + 1 })
    }
    options.progress(done + 1, histories)
  }
  const controls: Control[] = [...forged].map(([name, { seen, trials }]) => ({
    sabotage: name,
    // A forgery that got through once is as bad as one that always does.
    seen: seen === trials ? seen : 0,
    trials,
  }))
  return { trials: done, unit: 'histories', failures: failures.lines, controls, facts: tally }
}

/** Lets the clients loose on a new book; kills each process once, on the way, and starts another in its place. */
async function record(address: BookAddress, seed: string, calls: number): Promise<Recorder> {
  const recorder = new Recorder()
  const random = new Random(seed)
  // The book is there before its clients, so that a kill while it is made does not spoil the count of calls.
  await makeBook(address)
  const share = calls / processCount
  const trouble = troubleFor(address, random)
  await Promise.all(
    Array.from({ length: processCount }, async (_, index) => {
      const first = Math.round(share * (0.2 + 0.6 * random.next()))
      for (const [life, most] of [first, share - first].entries()) {
        const name = `p${index}.${life}`
        const clients: HistoryClientConfig = {
          address,
          name,
          clients: clientsPerProcess,
          calls: life === 0 ? share : most,
          streams,
          timeoutMs: timeoutMs[address.store],
        }
        await recorder.follow(clients, life === 0 ? most : Number.POSITIVE_INFINITY)
      }
    }),
  )
  await trouble.stop()
  await recorder.finish(address)
  return recorder
}

/** Writes the history down as the processes tell it. */
class Recorder {
  readonly problems: string[] = []
  kills = 0
  history: History = { calls: [], log: [] }
  readonly #calls = new Map<string, Call>()
  readonly #givenUp = new Set<string>()

  /** Runs one process to its end, or kills it once it has made so many calls. */
  async follow(config: HistoryClientConfig, killAfterCalls: number): Promise<void> {
    let made = 0
    const child = new Child('history-client', config, (message) => {
      if (message.called !== undefined && ++made === killAfterCalls) child.kill()
      this.#note(message)
    })
    const { code, signal } = await child.ended
    if (signal === 'SIGKILL') this.kills++
    else if (code !== 0) this.problems.push(`a client ended with ${code}: ${child.errors}`)
  }

  #note(message: Message): void {
    if (typeof message.gaveUp === 'string') this.#givenUp.add(message.gaveUp)
    if (typeof message.called === 'string') {
      const id = message.called
      const action = message.action as Action
      const invokedAt = Number(message.at)
      this.#calls.set(id, {
        id,
        action,
        invokedAt,
        returnedAt: Number.POSITIVE_INFINITY,
        outcome: undefined,
      })
    }
    if (typeof message.returned === 'string' && !this.#givenUp.has(message.returned)) {
      const call = this.#calls.get(message.returned) as Call
      const outcome = message.outcome as Outcome
      this.#calls.set(call.id, { ...call, returnedAt: Number(message.at), outcome })
    }
  }

  /** Adds what the log holds when all is over. */
  async finish(address: BookAddress): Promise<void> {
    const found = await readFoundLogAt(address)
    this.problems.push(...unsoundness(found))
    const log = found.rows.map(({ position, stream, version, data }) => ({
      position,
      stream,
      version,
      call: (JSON.parse(data) as Written).op,
    }))
    this.history = { calls: [...this.#calls.values()], log }
  }
}
