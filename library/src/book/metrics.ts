import type { FollowerStatus } from './follower-status.ts'

/** Attributes of a measurement. */
export interface MetricAttributes {
  readonly [name: string]: string
}

/** Where the value of a gauge is told when it is asked for. */
export interface MetricResult {
  observe(value: number, attributes?: MetricAttributes): void
}

/** A gauge that is asked for its value. */
export interface MetricGauge {
  addCallback(callback: (result: MetricResult) => void): void
  removeCallback(callback: (result: MetricResult) => void): void
}

/** The part of a `Meter` of `@opentelemetry/api` that Daybook uses; any other that has it will do. */
export interface Meter {
  createObservableGauge(
    name: string,
    options?: { readonly description?: string; readonly unit?: string },
  ): MetricGauge
  createHistogram(
    name: string,
    options?: { readonly description?: string; readonly unit?: string },
  ): { record(value: number, attributes?: MetricAttributes): void }
}

interface Gauge {
  readonly name: string
  readonly unit: string
  readonly description: string
  readonly observe: (result: MetricResult, status: FollowerStatus, attributes: MetricAttributes) => void
}

const gauges: readonly Gauge[] = [
  {
    name: 'daybook.follower.behind',
    unit: '{event}',
    description: 'Events of the log after the checkpoint',
    observe: (result, { behind }, attributes) => result.observe(behind, attributes),
  },
  {
    name: 'daybook.follower.behind.time',
    unit: 's',
    description: 'Age of the oldest event that is not done',
    observe: (result, { behindMs }, attributes) => result.observe(behindMs / 1_000, attributes),
  },
  {
    name: 'daybook.follower.stuck',
    unit: '1',
    description: '1 when it has events to handle and does not get on, else 0',
    observe: (result, { isStuck }, attributes) => result.observe(isStuck ? 1 : 0, attributes),
  },
  {
    name: 'daybook.follower.parked',
    unit: '{event}',
    description: 'Events put aside, by status',
    observe: (result, { parked }, attributes) => {
      for (const [status, count] of Object.entries(parked)) result.observe(count, { ...attributes, status })
    },
  },
]

/**
 * Metrics of everything that follows a book. Gauges tell what was seen at the last look, which is at most a second old, so
 * that a scrape never waits for the store. Returns how to stop.
 */
export function followerGauges(meter: Meter, last: () => readonly FollowerStatus[]): () => void {
  const stops = gauges.map(({ name, unit, description, observe }) => {
    const gauge = meter.createObservableGauge(name, { unit, description })
    const callback = (result: MetricResult): void => {
      for (const status of last()) observe(result, status, followerAttributes(status))
    }
    gauge.addCallback(callback)
    return () => gauge.removeCallback(callback)
  })
  return () => {
    for (const stop of stops) stop()
  }
}

/** Records how long events took from being recorded to being done, in seconds; of some events where many are folded at once. */
export function lagHistogram(
  meter: Meter | undefined,
): (lagMs: number, follower: Pick<FollowerStatus, 'kind' | 'name' | 'version'>) => void {
  if (meter === undefined) return () => undefined
  const histogram = meter.createHistogram('daybook.follower.lag', {
    unit: 's',
    description: 'From an event being recorded to its being done',
  })
  return (lagMs, follower) => histogram.record(lagMs / 1_000, followerAttributes(follower))
}

function followerAttributes({
  kind,
  name,
  version,
}: Pick<FollowerStatus, 'kind' | 'name' | 'version'>): MetricAttributes {
  return {
    'daybook.follower.kind': kind,
    'daybook.follower.name': name,
    ...(version === undefined ? {} : { 'daybook.follower.version': String(version) }),
  }
}
