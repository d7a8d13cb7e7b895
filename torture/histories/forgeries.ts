/** Histories that cannot have happened, made of one that did: each must be rejected by the checker. */
import type { Call, Entry, History } from './history.ts'

interface Acknowledged extends Call {
  readonly action: Extract<Call['action'], { kind: 'append' }>
  readonly outcome: Extract<Call['outcome'], { kind: 'appended' }>
}

/** Every forgery that the history has the material for, by what was forged. */
export function forgeriesOf(history: History): ReadonlyMap<string, History> {
  const forged = new Map<string, History | undefined>([
    ['two appends of a stream swapped', swapped(history, true)],
    ['two appends of different streams swapped', swapped(history, false)],
    ['one version given twice', versionTwice(history)],
    ['an acknowledged append gone, the rest moved up', lostAcknowledgement(history)],
    ['half an append gone', halfGone(history)],
    ['a stale read', staleRead(history)],
    ['a head from before', staleHead(history)],
    ['a refusal without a reason', groundlessRefusal(history)],
    ['a refused append in the log', refusedButThere(history)],
    ['an event that nobody appended', unasked(history)],
  ])
  return new Map([...forged].flatMap(([name, made]) => (made === undefined ? [] : [[name, made]])))
}

function acknowledged({ calls }: History): Acknowledged[] {
  return calls.filter(
    (call): call is Acknowledged => call.action.kind === 'append' && call.outcome?.kind === 'appended',
  )
}

function withCalls(history: History, ...changed: readonly Call[]): History {
  const byId = new Map(changed.map((call) => [call.id, call]))
  return { ...history, calls: history.calls.map((call) => byId.get(call.id) ?? call) }
}

/** Exchanges two single-event appends of which one had returned before the other began, in answers and log alike. */
function swapped(history: History, isSameStream: boolean): History | undefined {
  const single = acknowledged(history).filter(({ action }) => action.count === 1 && action.expected === 'any')
  for (const first of single) {
    const second = single.find(
      (call) =>
        first.returnedAt < call.invokedAt && (call.action.stream === first.action.stream) === isSameStream,
    )
    if (second === undefined) continue
    const log = history.log.map((entry) => {
      if (entry.call === first.id) return { ...entry, call: second.id, stream: second.action.stream }
      return entry.call === second.id ? { ...entry, call: first.id, stream: first.action.stream } : entry
    })
    const renumbered = numbered(log)
    return withAnswersOf({ ...history, log: renumbered }, [first, second])
  }
  return undefined
}

/** The log with positions and versions counted anew. */
function numbered(log: readonly Entry[]): Entry[] {
  const versions = new Map<string, number>()
  return log.map((entry, index) => {
    const version = (versions.get(entry.stream) ?? 0) + 1
    versions.set(entry.stream, version)
    return { ...entry, position: index + 1, version }
  })
}

/** The answers to calls as the log now has them. */
function withAnswersOf(history: History, calls: readonly Acknowledged[]): History {
  return withCalls(
    history,
    ...calls.flatMap((call) => {
      const entry = history.log.find(({ call: id }) => id === call.id)
      const { version = 0, position = 0 } = entry ?? {}
      return [{ ...call, outcome: { kind: 'appended' as const, version, position } }]
    }),
  )
}

function versionTwice(history: History): History | undefined {
  const [first, second] = acknowledged(history)
  if (first === undefined || second === undefined) return undefined
  return withCalls(history, { ...second, outcome: first.outcome })
}

function lostAcknowledgement(history: History): History | undefined {
  const lost = acknowledged(history).at(-1)
  if (lost === undefined) return undefined
  const log = numbered(history.log.filter(({ call }) => call !== lost.id))
  const others = acknowledged(history).filter(({ id }) => id !== lost.id)
  return withAnswersOf({ ...history, log }, others)
}

function halfGone(history: History): History | undefined {
  const large = acknowledged(history).findLast(({ action }) => action.count > 1)
  if (large === undefined) return undefined
  const last = history.log.findLastIndex(({ call }) => call === large.id)
  return { ...history, log: numbered(history.log.filter((_, index) => index !== last)) }
}

function staleRead(history: History): History | undefined {
  for (const read of history.calls) {
    const { action, outcome } = read
    if (action.kind !== 'version' || outcome?.kind !== 'saw') continue
    const earlier = acknowledged(history).find(
      (call) => call.action.stream === action.stream && call.returnedAt < read.invokedAt,
    )
    if (earlier === undefined) continue
    return withCalls(history, { ...read, outcome: { kind: 'saw', value: earlier.outcome.version - 1 } })
  }
  return undefined
}

function staleHead(history: History): History | undefined {
  for (const read of history.calls) {
    if (read.action.kind !== 'head' || read.outcome?.kind !== 'saw') continue
    const earlier = acknowledged(history).find((call) => call.returnedAt < read.invokedAt)
    if (earlier === undefined) continue
    return withCalls(history, { ...read, outcome: { kind: 'saw', value: earlier.outcome.position - 1 } })
  }
  return undefined
}

function groundlessRefusal(history: History): History | undefined {
  const refused = history.calls.find(
    ({ action, outcome }) =>
      action.kind === 'append' && typeof action.expected === 'number' && outcome?.kind === 'conflict',
  )
  if (refused?.action.kind !== 'append') return undefined
  const actual = Number(refused.action.expected)
  return withCalls(history, { ...refused, outcome: { kind: 'conflict', actual } })
}

function refusedButThere(history: History): History | undefined {
  const refused = history.calls.find(({ outcome }) => outcome?.kind === 'conflict')
  if (refused?.action.kind !== 'append') return undefined
  const { stream, count } = refused.action
  const entry = { stream, position: 0, version: 0, call: refused.id }
  return { ...history, log: numbered([...history.log, ...Array.from({ length: count }, () => entry)]) }
}

function unasked(history: History): History | undefined {
  const [first] = history.log
  return first && { ...history, log: numbered([...history.log, { ...first, call: 'nobody' }]) }
}
