/** One store's answer to a payload: what came back, or with which code it was refused. */
import { type Book, isDaybookError, type NewEvent, type RecordedEvent } from 'daybook'

export type PayloadAnswer =
  | { readonly kind: 'recorded'; readonly event: RecordedEvent }
  | { readonly kind: 'refused'; readonly code: string; readonly path: unknown }
  | { readonly kind: 'broken'; readonly problem: string }

/** What a case tries to append. */
export interface Payload {
  readonly stream: string
  readonly event: NewEvent
  /** Free keys of the metadata. */
  readonly metadata?: unknown
}

/**
 * Offers many payloads to a book, each an append of its own; the book's queue makes large transactions of them. What
 * was accepted is read back from the log, not taken from the answer.
 */
export async function offer(book: Book, payloads: readonly Payload[]): Promise<PayloadAnswer[]> {
  const settled = await Promise.all(payloads.map((payload) => append(book, payload)))
  const positions = settled.flatMap((answer) => (typeof answer === 'number' ? [answer] : []))
  const recorded = new Map<number, RecordedEvent>()
  if (positions.length > 0) {
    const [from, to] = [positions.reduce(lesser), positions.reduce(greater)]
    const events = await book.readLog({ afterPosition: from - 1, toPosition: to }).toArray()
    for (const event of events) recorded.set(event.position, event)
  }
  return settled.map((answer) => {
    if (typeof answer !== 'number') return answer
    const event = recorded.get(answer)
    return event === undefined
      ? { kind: 'broken', problem: 'acknowledged, and not there' }
      : { kind: 'recorded', event }
  })
}

const lesser = (one: number, other: number): number => Math.min(one, other)
const greater = (one: number, other: number): number => Math.max(one, other)

async function append(book: Book, { stream, event, metadata }: Payload): Promise<number | PayloadAnswer> {
  try {
    const free = metadata === undefined ? {} : { metadata: metadata as { readonly [key: string]: never } }
    return (await book.append(stream, event, free)).position
  } catch (error) {
    if (isDaybookError(error)) return { kind: 'refused', code: error.code, path: error.facts.path }
    return { kind: 'broken', problem: `refused without a code: ${String(error)}` }
  }
}
