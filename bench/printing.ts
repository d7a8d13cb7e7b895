import type { Figure } from './benchmark.ts'
import { targetOf } from './targets.ts'

const headings = ['benchmark', 'store', 'value', 'unit', 'baseline', 'ratio', 'target', 'met']
const numeric = new Set(['value', 'baseline', 'ratio'])

/** One line of JSON for a figure: name, store, value, unit, baseline, ratio. */
export function jsonLine(figure: Figure): string {
  const { name, store, value, unit, baseline, ratio } = figure
  const rounded = { value: round(value), baseline: baseline && round(baseline), ratio: ratio && round(ratio) }
  return JSON.stringify({
    name,
    store,
    value: rounded.value,
    unit,
    baseline: rounded.baseline,
    ratio: rounded.ratio,
  })
}

/** The figures as a table for people. */
export function table(figures: readonly Figure[]): string {
  const rows = [headings, ...figures.map(cellsOf)]
  const widths = headings.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0
          return numeric.has(headings[column] ?? '') ? cell.padStart(width) : cell.padEnd(width)
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function cellsOf(figure: Figure): string[] {
  const { name, store, value, unit, baseline, ratio } = figure
  const target = targetOf(figure)
  const met = target === undefined ? '' : target.isMet ? 'yes' : 'NO'
  return [name, store, text(value), unit, text(baseline), text(ratio), target?.text ?? '', met]
}

function text(value: number | null): string {
  return value === null ? '' : round(value).toLocaleString('en')
}

/** Three digits: more would not come out the same twice. */
function round(value: number): number {
  return Number(value.toPrecision(value >= 1_000 ? 4 : 3))
}
