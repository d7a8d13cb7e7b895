/** The bank whose read model is rebuilt, its side effect, and the same fold written by hand. */
import { defineEvents, projection, type Reaction, reaction } from 'daybook'
import { anything } from '../accounts.ts'

export interface Movement {
  readonly cents: number
}

export const bankEvents = defineEvents({
  Deposited: anything<Movement>(),
  Withdrawn: anything<Movement>(),
  Audited: anything<Movement>(),
})

export interface Sum {
  readonly cents: number
  readonly movements: number
  readonly last: number
}

const none: Sum = { cents: 0, movements: 0, last: 0 }

function moved({ cents, movements }: Sum, by: number, position: number): Sum {
  return { cents: cents + by, movements: movements + 1, last: position }
}

/** The control counts the withdrawals of some accounts twice, under the same version. */
export function sumsOf(isWrong: boolean) {
  const factor = (stream: string): number => (isWrong && stream.endsWith('7') ? 2 : 1)
  return projection('sums', {
    from: bankEvents,
    key: ({ stream }) => stream,
    initial: none,
    columns: { cents: 'integer', movements: 'integer' },
    evolve: {
      Deposited: (sum, { cents }, { position }) => moved(sum, cents, position),
      Withdrawn: (sum, { cents }, { stream, position }) => moved(sum, -cents * factor(stream), position),
    },
  })
}

/** A side effect of some of the events, which a rebuild must not repeat. */
export function auditor(onEffect: (position: number) => void): Reaction {
  return reaction('auditor', {
    from: bankEvents,
    types: ['Audited'],
    startAt: 'beginning',
    run: ({ position }) => onEffect(position),
  })
}

/** A row of the log as far as this fold goes. */
export interface BankRow {
  readonly position: number
  readonly stream: string
  readonly type: string
  readonly data: string
}

/** The fold of `sums`, knowing nothing of projections, and where effects are due. */
export class BankReference {
  readonly sums = new Map<string, Sum>()
  readonly audited: number[] = []

  add({ position, stream, type, data }: BankRow): void {
    if (type === 'Audited') this.audited.push(position)
    else {
      const { cents } = JSON.parse(data) as Movement
      const by = type === 'Deposited' ? cents : -cents
      this.sums.set(stream, moved(this.sums.get(stream) ?? none, by, position))
    }
  }

  /** What documents differ in. */
  problems(what: string, found: ReadonlyMap<string, Sum>): string[] {
    const problems: string[] = []
    for (const [stream, expected] of this.sums) {
      const sum = found.get(stream)
      const isSame =
        sum?.cents === expected.cents && sum.movements === expected.movements && sum.last === expected.last
      if (!isSame)
        problems.push(`${what}: ${stream} is ${JSON.stringify(sum)}, not ${JSON.stringify(expected)}`)
    }
    if (found.size !== this.sums.size)
      problems.push(`${what} has ${found.size} documents, not ${this.sums.size}`)
    return problems
  }

  /** Each effect once, in order: the process that runs it was not killed. */
  effectProblems(effects: readonly number[]): string[] {
    const index = this.audited.findIndex((position, place) => effects[place] !== position)
    if (index >= 0) return [`effect ${index + 1} is of ${effects[index]}, not of ${this.audited[index]}`]
    return effects.length === this.audited.length
      ? []
      : [`${effects.length} effects, of ${this.audited.length} events`]
  }
}
