import { type Book, defineEvents } from 'daybook'
import { actor, type Movement, movement, movementData } from '../bank.ts'
import { quantile, stepsPerSecond } from '../measuring.ts'
import { check } from '../self-check.ts'
import { Progress } from './progress.ts'

/** What was measured at one size. */
export interface Grown {
  readonly events: number
  /** `append p50 ms` and the like. */
  readonly figures: ReadonlyMap<string, number>
}

/** One thing that is measured at each size; its answer has a name and a value for each figure. */
interface Measure {
  readonly name: string
  readonly unit: 'ms' | 'per second'
  measure(book: Book, events: number): Promise<{ readonly [part: string]: number }>
}

const eventsPerAppend = 1_000
/** Appends under way at once while filling: the next is encoded while one is written. */
const appendsAtOnce = 4
/** Streams have 100 events each: 1,000 of them are filled side by side, then the next 1,000. */
const streamsAtOnce = 1_000
const eventsPerStream = 100

const { Moved } = defineEvents({ Moved: movement })

/** Events of a block of streams. */
export const blockEvents: number = streamsAtOnce * eventsPerStream

/** Fills the book up to so many events, from wherever it is; tells how far it is on a terminal. */
export async function grow(book: Book, size: number): Promise<void> {
  const filled = await filledEvents(book)
  const progress = new Progress('filling', filled, size)
  for (let from = filled; from < size; from += eventsPerAppend * appendsAtOnce) {
    const batches = Array.from({ length: appendsAtOnce }, (_, batch) => from + batch * eventsPerAppend)
    await Promise.all(batches.filter((first) => first < size).map((first) => fill(book, first)))
    progress.tell(from)
  }
  progress.end()
}

/** How many events were filled in, by this run or one before: what was appended while measuring does not count. */
async function filledEvents(book: Book): Promise<number> {
  for (let filled = 0; ; filled += blockEvents) {
    const lastStream = streamAt(filled + streamsAtOnce - 1)
    const [event] = await book.readStream(lastStream, { direction: 'backwards', limit: 1 }).toArray()
    const version = event?.version ?? 0
    if (version < eventsPerStream) return filled + version * streamsAtOnce
  }
}

async function fill(book: Book, from: number): Promise<void> {
  const writes = Array.from({ length: eventsPerAppend }, (_, offset) => {
    const stream = streamAt(from + offset)
    return { stream, events: [tagged(movementData(from + offset), stream)] }
  })
  await book.append(writes, { actor })
}

/** The stream that the nth event goes to. */
function streamAt(index: number): string {
  const block = Math.floor(index / blockEvents)
  return `account-${block * streamsAtOnce + (index % streamsAtOnce)}`
}

function tagged(data: Movement, stream: string) {
  return { ...Moved(data), tags: [tagOf(stream)] }
}

function tagOf(stream: string): string {
  return `customer:${stream.slice(stream.indexOf('-') + 1)}`
}

/** Any stream of those that are full. */
function anyStream(events: number): string {
  return streamAt(Math.floor(random() * events))
}

// The same numbers in every run (Numerical Recipes, chapter 7: a linear congruential generator is enough here).
let seed = 20_261_121
function random(): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
  return seed / 2 ** 32
}

/** Runs a step so often, one after the other, after some that do not count. */
async function times(count: number, step: () => Promise<void>) {
  const found: number[] = []
  for (let index = -count / 10; index < count; index++) {
    const startMs = performance.now()
    await step()
    if (index >= 0) found.push(performance.now() - startMs)
  }
  return { 'p50 ms': quantile(found, 0.5), 'p99 ms': quantile(found, 0.99) }
}

async function appendOne(book: Book, events: number): Promise<void> {
  const stream = anyStream(events)
  await book.append(stream, tagged(movementData(1), stream), { actor })
}

/** What is measured at each size, each on streams chosen at random from the whole log. */
export const measures: readonly Measure[] = [
  {
    name: 'append',
    unit: 'ms',
    measure: (book, events) => times(2_000, () => appendOne(book, events)),
  },
  {
    name: 'append by 64 callers',
    unit: 'per second',
    measure: async (book, events) => {
      await stepsPerSecond(500, 64, () => appendOne(book, events))
      return { 'events/s': await stepsPerSecond(3_000, 64, () => appendOne(book, events)) }
    },
  },
  {
    name: 'read a stream of 100',
    unit: 'ms',
    measure: (book, events) =>
      times(2_000, async () => {
        const found = await book.readStream(anyStream(events), { limit: eventsPerStream }).toArray()
        check(found.length === eventsPerStream, `a stream has ${found.length} events`)
      }),
  },
  {
    name: 'read a log page of 500',
    unit: 'ms',
    measure: (book, events) =>
      times(2_000, async () => {
        const afterPosition = Math.floor(random() * (events - 500))
        const found = await book.readLog({ afterPosition, limit: 500 }).toArray()
        check(found.length === 500, `a page has ${found.length} events`)
      }),
  },
  {
    name: 'read by tag',
    unit: 'ms',
    measure: (book, events) =>
      times(2_000, async () => {
        const query = [{ tags: [tagOf(anyStream(events))] }]
        const found = await book.readLog({ query, limit: eventsPerStream }).toArray()
        check(found.length === eventsPerStream, `a tag has ${found.length} events`)
      }),
  },
  {
    name: 'append on condition by tag',
    unit: 'ms',
    measure: async (book, events) => {
      const head = await book.head()
      // No event has the tag: the whole of its part of the index is looked at before that is known.
      return times(2_000, async () => {
        const stream = anyStream(events)
        const unless = { query: [{ tags: [`${tagOf(stream)}:closed`] }], after: Math.floor(random() * head) }
        await book.append(stream, tagged(movementData(1), stream), { actor, unless })
      })
    },
  },
]
