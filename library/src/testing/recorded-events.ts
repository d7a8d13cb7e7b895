import { EventValidator } from '../book/validation.ts'
import { planAppend } from '../core/append-plan.ts'
import { prepareAppend, type StreamAppend } from '../core/append-request.ts'
import type { AnyDecider } from '../core/decider.ts'
import type { RecordedEvent } from '../core/event.ts'
import { defaultLimits } from '../core/limits.ts'
import { RowReader } from '../core/recorded-event.ts'
import { genesisHash, RowHasher } from '../core/row-hash.ts'
import { testHost } from './test-host.ts'

/**
 * The events as an empty book would hold them, in the order given: validated, encoded, numbered and read back by the
 * same code, without a book. Recorded on 2026-01-01 at midnight, UTC. Throws what appending them would.
 */
export function recordedEvents(
  writes: readonly StreamAppend[],
  deciders: readonly AnyDecider[] = [],
): readonly RecordedEvent[] {
  const host = testHost()
  const validator = new EventValidator(deciders)
  const preparation = {
    limits: defaultLimits,
    newId: host.newId,
    fingerprint: (text: string) => text,
    validate: validator.validate,
  }
  const requests = writes.map((write) => prepareAppend([write], {}, preparation))
  const head = { position: 0, recordedAtMs: 0, chainHash: genesisHash }
  const facts = { head, versions: new Map(), keys: new Map(), ids: new Set<string>(), matches: [] }
  const { outcomes } = planAppend(facts, requests, host.now(), new RowHasher(host.sha256))
  const reader = new RowReader()
  return outcomes.flatMap((outcome) => {
    if (outcome.kind === 'refused') throw outcome.error
    return outcome.kind === 'appended' ? reader.events(outcome.rows) : []
  })
}
