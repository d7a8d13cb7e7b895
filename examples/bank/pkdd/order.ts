import { type Agreement, compareBalance } from './history.ts'

/** What ordering needs to know of a transaction. Ids are unique within an account; money in cents. */
export interface Movement {
  readonly transactionId: number
  readonly date: string
  readonly signedCents: number
  readonly statedBalanceCents: number
}

/** A transaction in its place, and how its balance agrees with the one before it. */
export interface OrderedMovement<M extends Movement> {
  readonly movement: M
  /** Stated balance less (the balance stated before + signed amount). */
  readonly differenceCents: number
  readonly agreement: Agreement
}

export interface OrderOptions {
  /** The balance before the first transaction; 0 unless given. */
  readonly openingBalanceCents?: number
  /**
   * Bound on the work for one day, in comparisons of two transactions; 1,000,000 unless given, about a second at worst.
   * It suffices to try every order of 12 transactions; most days of any size need far less.
   */
  readonly maxComparisonsPerDay?: number
}

/** How badly an order disagrees with the balances; compared field by field, in this order. */
interface Cost {
  readonly others: number
  readonly roundings: number
  readonly errorCents: number
}

/** A partial order of one account's transactions: its last one, and what came before. */
interface Chain<M extends Movement> {
  readonly movement: M | undefined
  readonly balanceCents: number
  readonly cost: Cost
  readonly previous: Chain<M> | undefined
  /** One bit for each transaction of the current day that is already placed. */
  readonly placed: bigint
}

/**
 * Puts the transactions of one account into the order in which the bank booked them. The day is known, the order
 * within it is not, but every transaction states the balance after it: the order is the one in which each stated
 * balance follows from the one before. Of all orders of a day, one with the fewest `other` steps is taken, then
 * with the fewest `rounding` steps, then with the least total difference; where several orders that end on
 * different transactions are equally good, the next day decides.
 *
 * Days are searched exhaustively by dynamic programming over sets of placed transactions (Held and Karp, 1962),
 * cut off at the cost of a greedy order. Days too large for `maxComparisonsPerDay` keep the best partial orders only
 * (a beam), and are never worse than greedy. The result does not depend on the order of `movements`.
 */
export function orderMovements<M extends Movement>(
  movements: readonly M[],
  options: OrderOptions = {},
): OrderedMovement<M>[] {
  const maxComparisons = options.maxComparisonsPerDay ?? 1_000_000
  const openingBalanceCents = options.openingBalanceCents ?? 0
  const cost: Cost = { others: 0, roundings: 0, errorCents: 0 }
  let ends: Chain<M>[] = [
    { movement: undefined, balanceCents: openingBalanceCents, cost, previous: undefined, placed: 0n },
  ]
  for (const day of byDay(movements)) ends = orderDay(ends, day, maxComparisons)

  const ordered: OrderedMovement<M>[] = []
  for (let chain = ends[0]; chain?.movement && chain.previous; chain = chain.previous) {
    const { movement, previous } = chain
    const comparison = compareBalance(
      previous.balanceCents,
      movement.signedCents,
      movement.statedBalanceCents,
    )
    ordered.push({ movement, ...comparison })
  }
  return ordered.reverse()
}

/** The transactions of each day, days in order, each day by id so that ties fall the same way every time. */
function byDay<M extends Movement>(movements: readonly M[]): M[][] {
  const days = new Map<string, M[]>()
  for (const movement of [...movements].sort((one, other) => one.transactionId - other.transactionId)) {
    const day = days.get(movement.date)
    if (day) day.push(movement)
    else days.set(movement.date, [movement])
  }
  return [...days].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, day]) => day)
}

/** The best orders of one day, one for each transaction they may end on; all cost the same. */
function orderDay<M extends Movement>(
  ends: Chain<M>[],
  day: readonly M[],
  maxComparisons: number,
): Chain<M>[] {
  const starts = ends.map((end) => ({ ...end, placed: 0n }))
  const greedy = orderGreedily(starts[0] as Chain<M>, day)
  const width = Math.max(1, Math.floor(maxComparisons / (day.length * day.length)))
  let layer = starts
  for (let size = 1; size <= day.length; size++) layer = extend(layer, day, greedy.cost, width)
  // A beam may have dropped every order as good as the greedy one; then the greedy one is the best that is known.
  if (layer.length === 0) return [greedy]
  const best = layer.reduce(
    (least, chain) => (compare(chain.cost, least) < 0 ? chain.cost : least),
    greedy.cost,
  )
  return layer.filter((chain) => compare(chain.cost, best) === 0)
}

/** Every chain with one more transaction; of those with the same transactions and the same last one, the cheapest. */
function extend<M extends Movement>(
  chains: readonly Chain<M>[],
  day: readonly M[],
  limit: Cost,
  width: number,
): Chain<M>[] {
  const cheapest = new Map<string, Chain<M>>()
  for (const chain of chains) {
    for (const [index, movement] of day.entries()) {
      const bit = 1n << BigInt(index)
      if (chain.placed & bit) continue
      const cost = costAfter(chain, movement)
      if (compare(cost, limit) > 0) continue
      const placed = chain.placed | bit
      // Text, as a Map hashes large integers by their lowest digits alone.
      const key = `${index} ${placed.toString(36)}`
      const known = cheapest.get(key)
      if (known && compare(known.cost, cost) <= 0) continue
      cheapest.set(key, place(chain, movement, cost, placed))
    }
  }
  const extended = [...cheapest.values()]
  if (extended.length <= width) return extended
  return extended.sort((one, other) => compare(one.cost, other.cost)).slice(0, width)
}

/** Always the next transaction that fits best. */
function orderGreedily<M extends Movement>(start: Chain<M>, day: readonly M[]): Chain<M> {
  const rest = new Set(day)
  let chain = start
  while (rest.size > 0) {
    let best: { readonly movement: M; readonly cost: Cost } | undefined
    for (const movement of rest) {
      const cost = costAfter(chain, movement)
      if (!best || compare(cost, best.cost) < 0) best = { movement, cost }
    }
    if (!best) break
    rest.delete(best.movement)
    chain = place(chain, best.movement, best.cost, 0n)
  }
  return chain
}

function place<M extends Movement>(previous: Chain<M>, movement: M, cost: Cost, placed: bigint): Chain<M> {
  return { movement, balanceCents: movement.statedBalanceCents, cost, previous, placed }
}

function costAfter(chain: Chain<Movement>, movement: Movement): Cost {
  const { balanceCents, cost } = chain
  const step = compareBalance(balanceCents, movement.signedCents, movement.statedBalanceCents)
  if (step.agreement === 'exact') return cost
  return {
    others: cost.others + (step.agreement === 'other' ? 1 : 0),
    roundings: cost.roundings + (step.agreement === 'rounding' ? 1 : 0),
    errorCents: cost.errorCents + Math.abs(step.differenceCents),
  }
}

function compare(one: Cost, other: Cost): number {
  return one.others - other.others || one.roundings - other.roundings || one.errorCents - other.errorCents
}
