import type { RecordedEvent } from './event.ts'
import { fingerprintText } from './fold.ts'
import type { ProcessDefinition } from './process-manager.ts'
import {
  evolveWaiting,
  isSettled,
  nextDueAtMs,
  notStarted,
  processTypes,
  type Waiting,
} from './process-stream.ts'
import type { ProjectionDefinition } from './projection.ts'

/** A document of what is pending: what an instance waits for, and by what it is found. */
export interface PendingDocument {
  readonly waiting: Waiting
  readonly nextDueAtMs: number | null
  readonly startedAtMs: number
  readonly isOverdue: boolean
}

/** Raised with `evolveWaiting`, whose documents are stored. */
const version = 1

const columns = { nextDueAtMs: 'integer', startedAtMs: 'integer', isOverdue: 'boolean' } as const

/** The read model of instances that are not done: by it deadlines that are due are found, and what is pending for long. */
export function pendingProjection({ name, category }: ProcessDefinition): ProjectionDefinition {
  const shapeName = `process_${name}`
  const types = Object.values(processTypes)
  const initial: PendingDocument = {
    waiting: notStarted,
    nextDueAtMs: null,
    startedAtMs: 0,
    isOverdue: false,
  }
  const evolve = (document: unknown, _data: unknown, event: unknown): PendingDocument | null => {
    const waiting = evolveWaiting((document as PendingDocument).waiting, event as RecordedEvent)
    if (isSettled(waiting)) return null
    return {
      waiting,
      nextDueAtMs: nextDueAtMs(waiting),
      startedAtMs: waiting.startedAtMs,
      isOverdue: waiting.isOverdue,
    }
  }
  return {
    shape: { name: shapeName, version, columns },
    subscription: `${shapeName}@${version}`,
    mode: 'async',
    swap: 'auto',
    onFailure: 'stop',
    items: [{ types, categories: [category] }],
    fingerprintText: fingerprintText(shapeName, version, initial, new Map([['all', evolveWaiting]])),
    initial,
    keysOf: (event) => [event.streamId],
    streamsOf: (key) => [`${category}-${key}`],
    evolve: new Map(types.map((type) => [type, evolve])),
  }
}
