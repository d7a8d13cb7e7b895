/** T18: what is put in comes out, identical to the last bit, or is refused with a code; the same on every store. */
import { inspect } from 'node:util'
import { type Book, openBook } from 'daybook'
import { memory } from 'daybook/memory'
import fc from 'fast-check'
import { hostileData, hostileNames } from './payloads/hostile-values.ts'
import { isIdentical, isLegal } from './payloads/identity.ts'
import { offer, type Payload, type PayloadAnswer } from './payloads/trial.ts'
import { Random, seedOf } from './random.ts'
import { type StoreName, storeAt, storeNames } from './stores/address.ts'
import { withBooks } from './stores/books.ts'
import {
  type Control,
  Failures,
  type TortureOptions,
  type TortureResult,
  type TortureTest,
} from './torture-test.ts'

const casesAtATime = 1_000
/** New books after so many cases, so that neither memory nor disk grows with the number of cases. */
const casesPerBook = 20_000

export const payloads: TortureTest = {
  id: 'T18',
  title: 'payloads come back identical or are refused, the same as in memory',
  stores: storeNames,
  run: runPayloads,
}

async function runPayloads(options: TortureOptions): Promise<TortureResult> {
  const wanted = options.isQuick ? 5_000 : 1_000_000
  const failures = new Failures()
  const tally = { recorded: 0, refused: 0 }
  const careless: Control = {
    sabotage: 'plain JSON, without the check',
    seen: 0,
    trials: 0,
  }
  let control = careless
  let cases = 0
  while (cases < wanted && !options.signal.aborted) {
    await withBooks(options.store, async (books) => {
      await using stored = await openBook({ store: storeAt(books.address('payloads')) })
      await using inMemory = await openBook({ store: memory() })
      const both: Compared = { store: options.store, stored, inMemory, tally }
      const end = Math.min(wanted, cases + casesPerBook)
      for (; cases < end && !options.signal.aborted; cases += casesAtATime) {
        const seed = seedOf(`${options.seed}/T18/${cases}`)
        const offered = samples(seed)
        failures.add(`seed ${options.seed} case ${cases}`, await compare(offered, both))
        control = controlled(control, offered)
        options.progress(cases + casesAtATime, wanted)
      }
    })
  }
  return {
    trials: cases,
    unit: 'payloads',
    failures: failures.lines,
    controls: [control],
    facts: tally,
  }
}

function samples(seed: number): Payload[] {
  const random = new Random(seed)
  const data = fc.sample(hostileData, { numRuns: casesAtATime, seed })
  const names = fc.sample(hostileNames, { numRuns: casesAtATime, seed })
  return data.map((value) => {
    const name = (): string => names[random.integer(0, names.length - 1)] as string
    const dice = random.integer(0, 9)
    return {
      stream: dice === 0 ? `odd-${name()}` : dice === 1 ? name() : `payload-${random.integer(0, 9)}`,
      event: {
        type: dice === 2 ? name() : 'Happened',
        data: dice === 4 ? { plain: true } : value,
        ...(dice === 3 ? { tags: [name(), name()] } : {}),
      },
      ...(dice === 4 ? { metadata: value } : {}),
    }
  })
}

interface Compared {
  readonly store: StoreName
  readonly stored: Book
  readonly inMemory: Book
  readonly tally: { recorded: number; refused: number }
}

async function compare(
  offered: readonly Payload[],
  { store, stored, inMemory, tally }: Compared,
): Promise<string[]> {
  const [found, plain] = await Promise.all([offer(stored, offered), offer(inMemory, offered)])
  return offered.flatMap((payload, index) => {
    const [one, other] = [found[index] as PayloadAnswer, plain[index] as PayloadAnswer]
    if (one.kind === 'recorded') tally.recorded++
    else tally.refused++
    return [
      ...faults(store, payload, one),
      ...faults('memory', payload, other),
      ...differences(one, other),
    ].map((fault) => `${fault}: number ${index}, ${shortened(payload)}`)
  })
}

function shortened(payload: Payload): string {
  return inspect(payload, { depth: 6, breakLength: Number.POSITIVE_INFINITY }).slice(0, 300)
}

/** What is wrong with one store's answer. */
function faults(store: string, { stream, event, metadata }: Payload, answer: PayloadAnswer): string[] {
  if (answer.kind === 'broken') return [`${store}: ${answer.problem}`]
  const isFree = metadata === undefined || isLegal(metadata)
  const mayBe = isLegal(event.data) && isFree && isLegalName(event.type) && isLegalStream(stream)
  const isExpected = mayBe && (event.tags ?? []).every(isLegalName)
  if (answer.kind === 'refused') {
    return isExpected ? [`${store}: refused with ${answer.code} what is legal`] : []
  }
  if (!isExpected) return [`${store}: accepted what is not legal`]
  const { event: found } = answer
  const problems: string[] = []
  if (!isIdentical(event.data, found.data)) problems.push(`${store}: the data was changed`)
  if (found.stream !== stream || found.type !== event.type) problems.push(`${store}: a name was changed`)
  if (!isIdentical([...new Set(event.tags ?? [])].sort(), [...found.tags]))
    problems.push(`${store}: tags changed`)
  if (metadata !== undefined && !isFreeMetadataKept(metadata as object, found.metadata))
    problems.push(`${store}: metadata was changed`)
  return problems
}

/** Free keys as given, besides the correlation that the book adds. */
function isFreeMetadataKept(given: object, found: object): boolean {
  const { correlationId: _added, ...rest } = found as { readonly correlationId?: unknown }
  return Object.hasOwn(given, 'correlationId') ? isIdentical(given, found) : isIdentical(given, rest)
}

function differences(one: PayloadAnswer, other: PayloadAnswer): string[] {
  if (one.kind === 'recorded' && other.kind === 'recorded')
    return isIdentical(one.event.data, other.event.data) ? [] : ['the stores recorded different data']
  const [left, right] = [one, other].map((answer) =>
    answer.kind === 'refused' ? [answer.code, answer.path] : [answer.kind],
  )
  return isIdentical(left, right) ? [] : [`the stores answer ${String(left)} and ${String(right)}`]
}

function isLegalName(name: string): boolean {
  const isClean = name.isWellFormed() && !/[\u0000-\u001f\u007f]/.test(name)
  return isClean && name.length > 0 && Buffer.byteLength(name) <= 255
}

function isLegalStream(stream: string): boolean {
  return isLegalName(stream) && /^[^-]+-.+$/su.test(stream)
}

/** The same payloads through JSON as it is: the comparison must notice. */
function controlled(control: Control, offered: readonly Payload[]): Control {
  const changed = offered.filter(({ event }) => {
    try {
      return !isIdentical(event.data, JSON.parse(JSON.stringify(event.data)))
    } catch {
      return false
    }
  })
  return { ...control, seen: control.seen + changed.length, trials: control.trials + offered.length }
}
