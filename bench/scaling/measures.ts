import type { Book } from 'daybook'
import { actor, movementData } from '../bank.ts'
import { quantile, stepsPerSecond } from '../measuring.ts'
import { check } from '../self-check.ts'
import { eventsPerStream, streamAt, tagged, tagOf } from './growing.ts'

/** One thing that is measured at each size; its answer has a value for each figure, by name and unit. */
export interface Measure {
  readonly name: string
  run(book: Book, events: number): Promise<{ readonly [part: string]: number }>
}

/** How often a step is timed in a round. */
const steps = 500

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
async function times(step: () => Promise<void>) {
  const found: number[] = []
  for (let index = -steps / 10; index < steps; index++) {
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
    run: (book, events) => times(() => appendOne(book, events)),
  },
  {
    name: 'append by 64 callers',
    run: async (book, events) => {
      return { 'events/s': await stepsPerSecond(700, 64, () => appendOne(book, events)) }
    },
  },
  {
    name: 'read a stream of 100',
    run: (book, events) =>
      times(async () => {
        const found = await book.readStream(anyStream(events), { limit: eventsPerStream }).toArray()
        check(found.length === eventsPerStream, `a stream has ${found.length} events`)
      }),
  },
  {
    name: 'read a log page of 500',
    run: (book, events) =>
      times(async () => {
        const afterPosition = Math.floor(random() * (events - 500))
        const found = await book.readLog({ afterPosition, limit: 500 }).toArray()
        check(found.length === 500, `a page has ${found.length} events`)
      }),
  },
  {
    name: 'read by tag',
    run: (book, events) =>
      times(async () => {
        const query = [{ tags: [tagOf(anyStream(events))] }]
        const found = await book.readLog({ query, limit: eventsPerStream }).toArray()
        check(found.length === eventsPerStream, `a tag has ${found.length} events`)
      }),
  },
  {
    name: 'append on condition by tag',
    run: async (book, events) => {
      const head = await book.head()
      // No event has the tag: the whole of its part of the index is looked at before that is known.
      return times(async () => {
        const stream = anyStream(events)
        const unless = { query: [{ tags: [`${tagOf(stream)}:closed`] }], after: Math.floor(random() * head) }
        await book.append(stream, tagged(movementData(1), stream), { actor, unless })
      })
    },
  },
]
