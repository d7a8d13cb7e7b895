/**
 * Is a history linearizable (Herlihy and Wing 1990)? For histories in general that is NP-complete. Here it is not:
 * every event carries the call that wrote it, so the final log tells in which order the appends took effect, and what
 * remains is whether that order fits the clock. A sequential order fits exactly when no call that had returned before
 * another was invoked stands after it, and that takes one pass.
 */
import type { Call, Entry, Expected, History } from './history.ts'

/** What is wrong with a history; nothing when every stream is linearizable and positions follow real time. */
export function violations(history: History): string[] {
  const appends = appendsOf(history)
  return [
    ...logViolations(history.log),
    ...appends.problems,
    ...answerViolations(history.calls, appends.byCall),
    ...[...Map.groupBy(appends.byCall.values(), ({ stream }) => stream)].flatMap(([stream, effects]) =>
      orderViolations(stream, effects, observations(history.calls, stream)),
    ),
    ...unbornViolations(history.calls, appends.byCall),
    ...positionViolations(history.calls, [...appends.byCall.values()]),
  ]
}

/** An append that took effect. */
interface Effect {
  readonly call: Call
  readonly stream: string
  readonly count: number
  /** Version of the stream before it and after it. */
  readonly before: number
  readonly after: number
  readonly firstPosition: number
  readonly lastPosition: number
}

/** A version of a stream that a call saw. */
interface Observation {
  readonly call: Call
  readonly version: number
}

function logViolations(log: readonly Entry[]): string[] {
  const versions = new Map<string, number>()
  return log.flatMap(({ position, stream, version }, index) => {
    const next = (versions.get(stream) ?? 0) + 1
    versions.set(stream, version)
    const problems: string[] = []
    if (position !== index + 1) problems.push(`position ${position} stands where ${index + 1} should`)
    if (version !== next) problems.push(`${stream} goes from version ${next - 1} to ${version}`)
    return problems
  })
}

function appendsOf({ calls, log }: History): { byCall: Map<string, Effect>; problems: string[] } {
  const known = new Map(calls.map((call) => [call.id, call]))
  const byCall = new Map<string, Effect>()
  const problems: string[] = []
  for (const [id, entries] of Map.groupBy(log, (entry) => entry.call)) {
    const call = known.get(id)
    const first = entries[0] as Entry
    if (call === undefined || call.action.kind !== 'append') {
      problems.push(`${id} is in the log and was never called`)
      continue
    }
    const { stream, count } = call.action
    const isWhole = entries.length === count && entries.every((entry, index) => follows(first, entry, index))
    if (!isWhole || first.stream !== stream) problems.push(`${id} stands in the log torn, doubled or astray`)
    byCall.set(id, {
      call,
      stream,
      count,
      before: first.version - 1,
      after: first.version - 1 + count,
      firstPosition: first.position,
      lastPosition: first.position + count - 1,
    })
  }
  return { byCall, problems }
}

function follows(first: Entry, entry: Entry, index: number): boolean {
  return (
    entry.stream === first.stream &&
    entry.version === first.version + index &&
    entry.position === first.position + index
  )
}

/** Answers that contradict the log or the truth table of expected versions. */
function answerViolations(calls: readonly Call[], effects: ReadonlyMap<string, Effect>): string[] {
  return calls.flatMap(({ id, action, outcome }) => {
    if (action.kind !== 'append') return []
    const effect = effects.get(id)
    if (effect !== undefined && !isMet(action.expected, effect.before))
      return [`${id} expected ${action.expected} and was appended after version ${effect.before}`]
    if (outcome === undefined) return []
    if (outcome.kind === 'appended') {
      if (effect === undefined) return [`${id} was acknowledged and is lost`]
      const isTold = outcome.version === effect.before + 1 && outcome.position === effect.firstPosition
      return isTold ? [] : [`${id} was told version ${outcome.version}, position ${outcome.position}`]
    }
    if (effect !== undefined) return [`${id} was refused and is in the log`]
    if (outcome.kind === 'conflict' && isMet(action.expected, outcome.actual))
      return [`${id} was refused at version ${outcome.actual}, which is what it expected`]
    return []
  })
}

function isMet(expected: Expected, version: number): boolean {
  if (expected === 'any') return true
  if (expected === 'none') return version === 0
  return expected === 'exists' ? version > 0 : version === expected
}

/** The calls that saw a version of a stream: reads, and refusals, which tell the version they met. */
function observations(calls: readonly Call[], stream: string): Observation[] {
  return calls.flatMap((call) => {
    const { action, outcome } = call
    if (action.kind === 'head' || action.stream !== stream || outcome === undefined) return []
    if (outcome.kind === 'saw') return [{ call, version: outcome.value }]
    return outcome.kind === 'conflict' ? [{ call, version: outcome.actual }] : []
  })
}

/**
 * The appends of a stream in the order of their versions, and between them those who saw the version so far: each
 * append must be able to take effect after everything before it was invoked, and before anything after it returned.
 */
function orderViolations(stream: string, effects: readonly Effect[], seen: readonly Observation[]): string[] {
  const inOrder = [...effects].sort((one, other) => one.before - other.before)
  const eras = Map.groupBy(seen, ({ version }) => version)
  const problems: string[] = []
  const versions = new Set([0, ...inOrder.map(({ after }) => after)])
  for (const { call, version } of seen)
    if (!versions.has(version))
      problems.push(`${call.id} saw version ${version} of ${stream}, which never was`)
  // The groups of the sequential order: who saw version 0, first append, who saw its version, second append …
  const groups: Call[][] = [(eras.get(0) ?? []).map(({ call }) => call)]
  for (const { call, after } of inOrder) {
    groups.push(
      [call],
      (eras.get(after) ?? []).map((observation) => observation.call),
    )
  }
  return [...problems, ...outOfOrder(groups, stream)]
}

/** No call may have returned before a call of an earlier group was invoked. Calls of one group have no order. */
function outOfOrder(groups: readonly (readonly Call[])[], subject: string): string[] {
  const problems: string[] = []
  let latest: Call | undefined
  for (const group of groups) {
    for (const call of group) {
      if (latest !== undefined && call.returnedAt < latest.invokedAt)
        problems.push(`${subject}: ${call.id} had returned before ${latest.id} began, and stands after it`)
    }
    for (const call of group) if (latest === undefined || call.invokedAt > latest.invokedAt) latest = call
  }
  return problems
}

/** Versions seen of streams that have no events at all. */
function unbornViolations(calls: readonly Call[], effects: ReadonlyMap<string, Effect>): string[] {
  const streams = new Set([...effects.values()].map(({ stream }) => stream))
  return calls.flatMap((call) => {
    if (call.action.kind === 'head' || streams.has(call.action.stream)) return []
    const [seen] = observations([call], call.action.stream)
    return seen === undefined || seen.version === 0 ? [] : [`${call.id} saw a stream that never was`]
  })
}

/** The log as a whole: positions in the order of real time, and every head that was read. */
function positionViolations(calls: readonly Call[], effects: readonly Effect[]): string[] {
  const inOrder = [...effects].sort((one, other) => one.firstPosition - other.firstPosition)
  const heads = calls.flatMap((call) =>
    call.action.kind === 'head' && call.outcome?.kind === 'saw' ? [{ call, head: call.outcome.value }] : [],
  )
  const byHead = Map.groupBy(heads, ({ head }) => head)
  const ends = new Set([0, ...inOrder.map(({ lastPosition }) => lastPosition)])
  const problems = heads
    .filter(({ head }) => !ends.has(head))
    .map(
      ({ call, head }) => `${call.id} saw the head at ${head}, in the middle of an append or beyond the end`,
    )
  const groups: Call[][] = [(byHead.get(0) ?? []).map(({ call }) => call)]
  for (const { call, lastPosition } of inOrder)
    groups.push(
      [call],
      (byHead.get(lastPosition) ?? []).map((read) => read.call),
    )
  return [...problems, ...outOfOrder(groups, 'log')]
}
