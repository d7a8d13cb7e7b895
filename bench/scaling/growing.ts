import { type Book, defineEvents } from 'daybook'
import { actor, type Movement, movement, movementData } from '../bank.ts'
import { Progress } from './progress.ts'

const eventsPerAppend = 1_000
/** Appends under way at once while filling: the next is encoded while one is written. */
const appendsAtOnce = 4
/** Streams have 100 events each: 1,000 of them are filled side by side, then the next 1,000. */
const streamsAtOnce = 1_000
export const eventsPerStream = 100

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
export function streamAt(index: number): string {
  const block = Math.floor(index / blockEvents)
  return `account-${block * streamsAtOnce + (index % streamsAtOnce)}`
}

/** An event with its stream's tag. */
export function tagged(data: Movement, stream: string) {
  return { ...Moved(data), tags: [tagOf(stream)] }
}

/** Every stream has a tag of its own, as the events of one customer have. */
export function tagOf(stream: string): string {
  return `customer:${stream.slice(stream.indexOf('-') + 1)}`
}
