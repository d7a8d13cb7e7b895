/** Operations whose content follows from their name, so that whoever knows the name knows what must be found. */
import type { Book, NewEvent, StreamAppend } from 'daybook'
import { account, type Written } from './accounts.ts'
import { Random } from './random.ts'

/** One intent: appended once, or not at all. */
export interface Operation {
  readonly id: string
  readonly kind: 'single' | 'batch' | 'several' | 'command'
  /** Whether it goes with an idempotency key, so that it can be repeated when its outcome is unknown. */
  readonly hasKey: boolean
  readonly writes: readonly StreamAppend[]
}

const streamCount = 8
const largeBytes = 9_000

/** The operation of this name, the same every time. */
export function operationOf(id: string): Operation {
  const random = new Random(id)
  const kind = random.pick(['single', 'single', 'batch', 'several', 'command'] as const)
  const streams = random.shuffled(Array.from({ length: streamCount }, (_, index) => `account-${index}`))
  const perStream =
    kind === 'several'
      ? Array.from({ length: random.integer(2, 4) }, () => random.integer(1, 3))
      : [kind === 'batch' ? random.integer(2, 20) : 1]
  const of = perStream.reduce((sum, count) => sum + count, 0)
  let index = 0
  const writes = perStream.map((count, place) => ({
    stream: streams[place] as string,
    events: Array.from({ length: count }, () => eventOf(random, kind, { op: id, index: index++, of })),
  }))
  return { id, kind, hasKey: kind === 'command' || random.chance(0.6), writes }
}

function eventOf(
  random: Random,
  kind: Operation['kind'],
  { op, index, of }: Omit<Written, 'cents'>,
): NewEvent {
  const filler = random.chance(0.1) ? { filler: 'x'.repeat(random.integer(100, largeBytes)) } : {}
  const data = { op, cents: random.integer(-500, 1_000), ...filler, index, of }
  const tags = kind !== 'command' && random.chance(0.3) ? [`op:${op}`, `index:${index}`] : []
  return { type: 'Deposited', data, tags }
}

/** Where the events of an operation stand, first and last. */
export interface Answer {
  readonly first: number
  readonly last: number
}

/** Runs an operation on a book, under its key when it has one; the answer is the product's acknowledgement. */
export async function perform(book: Book, { id, kind, hasKey, writes }: Operation): Promise<Answer> {
  const key = hasKey ? { idempotencyKey: id } : {}
  const [write] = writes
  const [event] = write?.events ?? []
  if (kind === 'command' && write !== undefined && event !== undefined) {
    const { op, cents, filler } = event.data as Written
    const wish = { op, cents, ...(filler === undefined ? {} : { filler }) }
    const stream = write.stream.slice('account-'.length)
    return answerOf((await book.execute(account.deposit(stream, wish), key)).events)
  }
  return answerOf((await book.append(writes, key)).events)
}

function answerOf(events: readonly { readonly position: number }[]): Answer {
  return { first: events[0]?.position ?? 0, last: events.at(-1)?.position ?? 0 }
}
