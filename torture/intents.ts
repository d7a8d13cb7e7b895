/** Intents that go with an idempotency key, and what a caller is told of them. */
import type { Book, Outcome, RecordedEvent, Refusal } from 'daybook'
import type { Random } from './random.ts'

/**
 * What a key stands for: an append, or a command. `open` and `empty` are refused when they are decided a second time;
 * `look` decides nothing at all.
 */
export interface Intent {
  readonly key: string
  readonly kind: 'append' | 'several' | 'deposit' | 'open' | 'empty' | 'look'
  readonly id: string
  readonly cents: number
}

const kinds = ['append', 'several', 'deposit', 'open', 'empty', 'look'] as const

/** The intents of a book, each key once. Those that a repeat would refuse have an account of their own. */
export function intentsOf(count: number, random: Random): Intent[] {
  return Array.from({ length: count }, (_, index) => {
    const kind = kinds[index % kinds.length] as Intent['kind']
    const isAlone = kind === 'open' || kind === 'empty'
    return {
      key: `key-${index}`,
      kind,
      id: isAlone ? `own${index}` : `shared${random.integer(0, 2)}`,
      cents: random.integer(1, 1_000),
    }
  })
}

/** How many events the intent has when it is carried out once. */
export function eventCountOf({ kind }: Intent): number {
  return { append: 3, several: 4, deposit: 1, open: 1, empty: 2, look: 0 }[kind]
}

/** Carries an intent out, and returns everything the caller is told but whether it was a repeat. */
export async function answerTo(book: Book, intent: Intent, usesKey: boolean): Promise<string> {
  const { key, kind, id, cents } = intent
  const options = usesKey ? { idempotencyKey: key } : {}
  const wish = { op: key, cents }
  if (kind === 'append' || kind === 'several') {
    const events = (from: number): { type: string; data: object }[] =>
      [0, 1].map((step) => ({ type: 'Deposited', data: { ...wish, index: from + step, of: 4 } }))
    const writes =
      kind === 'several'
        ? [
            { stream: `account-${id}`, events: events(0) },
            { stream: 'account-other', events: events(2) },
          ]
        : [{ stream: `account-${id}`, events: [...events(0), ...events(2).slice(1)] }]
    const appended = await book.append(writes, options)
    return told({ events: appended.events, position: appended.position })
  }
  return outcomeText(await book.run('account', id, kind, wish, options))
}

function outcomeText(outcome: Outcome<unknown, RecordedEvent, Refusal>): string {
  const { state, version, position, events, refused } = outcome
  return told({ state, version, position, events, refused })
}

// Keys in the order of the alphabet: two states are the same whatever the order their fields were set in.
function told(answer: object): string {
  return JSON.stringify(answer, (_key, value: unknown) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
      : value,
  )
}
