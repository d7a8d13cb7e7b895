import type { Figure, StoreName } from './benchmark.ts'

/** What a store is to reach on an ordinary machine of two cores. */
interface Target {
  readonly leastRatio?: number
  readonly least?: number
  readonly most?: number
}

const targets: { readonly [store in StoreName]?: { readonly [name: string]: Target } } = {
  sqlite: {
    'append-64': { leastRatio: 5 },
    'append-64-vs-batch': { leastRatio: 0.67 },
    'hot-stream-16': { leastRatio: 20 },
    'load-10000': { most: 25 },
    'load-10000-snapshot': { most: 1 },
    'log-read': { least: 400_000 },
    'log-read-batches': { least: 400_000 },
    rebuild: { least: 700_000 },
    'sql-rebuild': { leastRatio: 3 },
    'lag-p99': { most: 50 },
  },
  postgres: {
    'append-64': { leastRatio: 6 },
    'append-256': { leastRatio: 6 },
    'append-64-vs-batch': { leastRatio: 0.67 },
    'append-batch-100': { leastRatio: 5 },
    'append-4x64-vs-1x64': { leastRatio: 1 },
    'append-64-slow-flush': { leastRatio: 6 },
    'append-8x8-slow-flush': { leastRatio: 2 },
    'latency-half-peak-p99': { most: 20 },
    'hot-stream-16': { leastRatio: 50 },
    'load-10000': { most: 50 },
    'load-10000-snapshot': { most: 5 },
    'log-read': { least: 300_000 },
    'log-read-batches': { least: 300_000 },
    rebuild: { least: 300_000 },
    'sql-rebuild': { leastRatio: 3 },
    'lag-p99': { most: 50 },
  },
}

/** The target of a figure in words, and whether it is met; undefined where there is none. */
export function targetOf({
  name,
  store,
  value,
  ratio,
  unit,
}: Figure): { readonly text: string; readonly isMet: boolean } | undefined {
  const target = targets[store]?.[name]
  if (target?.leastRatio !== undefined)
    return { text: `ratio ≥ ${target.leastRatio}`, isMet: (ratio ?? 0) >= target.leastRatio }
  if (target?.least !== undefined)
    return { text: `≥ ${target.least.toLocaleString('en')} ${unit}`, isMet: value >= target.least }
  if (target?.most !== undefined) return { text: `≤ ${target.most} ${unit}`, isMet: value <= target.most }
  return undefined
}
