/** T26: state from a snapshot and its tail equals state from the whole history, whatever befell the snapshot or the shape. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { inspect, isDeepStrictEqual } from 'node:util'
import {
  type AggregateClass,
  type AnyDecider,
  type Book,
  openBook,
  type RecordedEvent,
  type SnapshotPolicy,
} from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { Random } from './random.ts'
import { withScratch } from './scratch.ts'
import { Corrupter } from './snapshots/corruption.ts'
import {
  aggregateShapes,
  type Change,
  changeFrom,
  deciderShapes,
  type SeenAggregate,
} from './snapshots/shapes.ts'
import { Failures, type TortureOptions, type TortureResult, type TortureTest } from './torture-test.ts'

const streamsPerCategory = 20
const phasesPerBook = 5
const categories = [...deciderShapes.keys(), ...aggregateShapes.keys()]

export const snapshots: TortureTest = {
  id: 'T26',
  title: 'state from snapshot and tail equals state from full replay',
  stores: ['sqlite'],
  run: runSnapshots,
}

interface Tally {
  trials: number
  damaged: number
  ignored: number
  taken: number
}

async function runSnapshots(options: TortureOptions): Promise<TortureResult> {
  const wanted = options.isQuick ? 1_000 : 100_000
  const failures = new Failures()
  const tally: Tally = { trials: 0, damaged: 0, ignored: 0, taken: 0 }
  const control = { seen: 0, trials: 0 }
  for (let book = 0; tally.trials < wanted && !options.signal.aborted; book++) {
    const seed = `${options.seed}/T26/${book}`
    await withScratch('memory', async (folder) => {
      const histories = new Histories(join(folder, 'book.db'), new Random(seed), tally)
      for (let phase = 0; phase < phasesPerBook; phase++) {
        failures.add(`seed ${seed} phase ${phase}`, await histories.phase(false))
        options.progress(Math.min(tally.trials, wanted), wanted)
      }
      if (book > 0) return
      const before = tally.trials
      control.seen = (await histories.phase(true)).length
      control.trials = tally.trials - before
      tally.trials = before
    })
  }
  return {
    trials: tally.trials,
    unit: 'states',
    failures: failures.lines,
    controls: [{ sabotage: 'snapshots forged with a fitting checksum', ...control }],
    facts: { damaged: tally.damaged, ignored: tally.ignored, snapshots: tally.taken },
  }
}

/** The streams of one book, growing phase after phase under changing code. */
class Histories {
  readonly #path: string
  readonly #random: Random
  readonly #tally: Tally
  readonly #corrupter: Corrupter
  /** Which shape of each category is in force. */
  readonly #inForce = new Map<string, number>()

  constructor(path: string, random: Random, tally: Tally) {
    this.#path = path
    this.#random = random
    this.#tally = tally
    this.#corrupter = new Corrupter(random)
  }

  /** Appends under the shapes in force, and sees in a new book whether every state is that of its events. */
  async phase(isForged: boolean): Promise<string[]> {
    const random = this.#random
    if (!isForged) {
      this.#chooseShapes()
      const snapshots: SnapshotPolicy = { everyEvents: random.pick([1, 1, 2, 3, 5, 10]) }
      await this.#withBook(snapshots, (book) => this.#grow(book))
    }
    const database = new DatabaseSync(this.#path, { timeout: 5_000 })
    if (isForged) this.#corrupter.forgeAll(database)
    else this.#tally.damaged += this.#corrupter.damageSome(database)
    const [count] = Object.values(database.prepare('SELECT count(*) FROM snapshot').get() ?? {})
    this.#tally.taken += Number(count)
    database.close()
    return this.#withBook(false, (book) => this.#compareAll(book))
  }

  #chooseShapes(): void {
    const random = this.#random
    for (const [category, shapes] of [...deciderShapes, ...aggregateShapes])
      if (!this.#inForce.has(category) || random.chance(0.4))
        this.#inForce.set(category, random.integer(0, shapes.length - 1))
  }

  #decider(category: string): AnyDecider | undefined {
    return deciderShapes.get(category)?.[this.#inForce.get(category) ?? 0]
  }

  #class(category: string): AggregateClass<SeenAggregate> {
    const type = aggregateShapes.get(category)?.[this.#inForce.get(category) ?? 0]
    if (type === undefined) throw new Error(`no shape of ${category}`)
    return type
  }

  async #withBook<Result>(snapshots: SnapshotPolicy, work: (book: Book) => Promise<Result>): Promise<Result> {
    await using book = await openBook({
      store: sqlite(this.#path),
      deciders: [...deciderShapes.keys()].flatMap((category) => this.#decider(category) ?? []),
      snapshots,
      onDiagnostic: ({ kind }) => {
        if (kind === 'snapshot-ignored') this.#tally.ignored++
      },
    })
    return await work(book)
  }

  /** A few appends to every stream, each followed by loads now and then, which take the snapshots. */
  async #grow(book: Book): Promise<void> {
    const random = this.#random
    for (let round = random.integer(1, 3); round > 0; round--) {
      await Promise.all(
        this.#streams().map(async ({ category, id }) => {
          if (random.chance(0.2)) return
          const events = Array.from({ length: random.integer(1, 6) }, () => changeFrom(random))
          await book.append(`${category}-${id}`, events)
          if (random.chance(0.7)) await this.#load(book, category, id)
        }),
      )
    }
  }

  #streams(): { category: string; id: string }[] {
    return categories.flatMap((category) =>
      Array.from({ length: streamsPerCategory }, (_, index) => ({ category, id: String(index) })),
    )
  }

  /** What the product says of a subject: the state, and the version it is of. */
  async #load(
    book: Book,
    category: string,
    id: string,
    options: { readonly atVersion?: number } = {},
  ): Promise<{ state: unknown; version: number }> {
    const definition = this.#decider(category)
    if (definition !== undefined) {
      const { state, version } = await book.load(definition, id, options)
      return { state, version }
    }
    const instance = await book.repository(this.#class(category)).load(id, options)
    return { state: instance.seen(), version: instance.version }
  }

  async #compareAll(book: Book): Promise<string[]> {
    const compared = await Promise.all(
      this.#streams().map(async ({ category, id }) => {
        const events = await book.readStream(`${category}-${id}`).toArray()
        const expected = { state: this.#fold(category, events), version: events.length }
        const loaded = await this.#load(book, category, id)
        const replayed = await this.#load(book, category, id, { atVersion: events.length })
        this.#tally.trials++
        const what = `${category}-${id} at version ${events.length}`
        return [
          ...(isDeepStrictEqual(loaded, expected)
            ? []
            : [`${what}: loaded ${shown(loaded)}, not ${shown(expected)}`]),
          ...(isDeepStrictEqual(replayed, expected)
            ? []
            : [`${what}: replayed ${shown(replayed)}, not ${shown(expected)}`]),
        ]
      }),
    )
    return compared.flat()
  }

  /** The fold by hand: the functions of the shape in force on every event, without loader or snapshot. */
  #fold(category: string, events: readonly RecordedEvent[]): unknown {
    const definition = this.#decider(category)?.definition
    if (definition !== undefined)
      return events.reduce((state, event) => definition.fold.evolve(state, event), definition.fold.initial())
    const instance = new (this.#class(category))()
    for (const { type: name, data } of events) instance.on[name]?.(data as Change)
    return instance.seen()
  }
}

function shown(value: unknown): string {
  return inspect(value, { depth: 5, breakLength: Number.POSITIVE_INFINITY }).slice(0, 200)
}
