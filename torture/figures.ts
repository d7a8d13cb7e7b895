/** The figures of a run: as a line to read, and as the table in docs/reliability.md. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, release, totalmem } from 'node:os'
import { type StoreName, storeTitles } from './stores/address.ts'
import { boundOf, isGood, type TortureResult, type TortureTest } from './torture-test.ts'

/** One test that was run. */
export interface Figure {
  readonly id: string
  readonly title: string
  readonly store: StoreName
  readonly seed: number
  readonly seconds: number
  readonly isQuick: boolean
  /** False when somebody interrupted it. */
  readonly isComplete: boolean
  readonly result: TortureResult
}

export function figureOf({ id, title }: TortureTest, run: Omit<Figure, 'id' | 'title'>): Figure {
  return { id, title, ...run }
}

/** `ok   T1 on SQLite, 0 failures in 1,000 kills (below 0.30 %, 95 % confidence), controls 1 of 1 caught, 241 s, seed 7`. */
export function lineOf({ id, store, result, seconds, seed, isComplete }: Figure): string {
  if (result.skipped !== undefined) return `skip ${id} on ${storeTitles[store]}: ${result.skipped}`
  const caught = result.controls.filter(({ seen }) => seen > 0).length
  const parts = [
    `${isGood(result) ? 'ok  ' : 'FAIL'} ${id} on ${storeTitles[store]}`,
    `${result.failures.length} failures in ${counted(result.trials)} ${result.unit}${boundText(result)}`,
    `controls ${caught} of ${result.controls.length} caught`,
    `${Math.round(seconds)} s`,
    `seed ${seed}`,
  ]
  return parts.join(', ') + (isComplete ? '' : ' (interrupted)')
}

function boundText(result: TortureResult): string {
  const bound = boundOf(result)
  return bound === undefined ? '' : ` (below ${percent(bound)}, 95 % confidence)`
}

function percent(share: number): string {
  return `${(share * 100).toPrecision(2)} %`
}

function counted(number: number): string {
  return number.toLocaleString('en')
}

/** Failures, controls that saw nothing, and facts, for whoever wants to know more. */
export function detailsOf({ result }: Figure): string[] {
  if (result.skipped !== undefined) return []
  const blind = result.controls.filter(({ seen }) => seen === 0)
  return [
    ...result.failures.map((failure) => `     ${failure}`),
    ...blind.map(({ sabotage }) => `     the control was not caught: ${sabotage}`),
    `     ${Object.entries(result.facts)
      .map(([name, fact]) => `${name} ${typeof fact === 'number' ? counted(fact) : fact}`)
      .join(', ')}`,
  ]
}

/** What the figures were measured on: nothing that names the machine. */
export function machine(): string {
  const memoryGib = Math.round(totalmem() / 2 ** 30)
  const { node, sqlite } = process.versions
  return `${availableParallelism()} cores, ${memoryGib} GiB, Linux ${release().split('-')[0]}, Node ${node}, SQLite ${sqlite}`
}

/** The commit, and whether the files differ from it; undefined outside of a repository. */
export function commit(): string | undefined {
  try {
    const git = (...parameters: string[]): string =>
      execFileSync('git', parameters, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    const changes = git('status', '--porcelain', '--untracked-files=no', '--', 'library', 'torture')
    return git('rev-parse', '--short=12', 'HEAD') + (changes === '' ? '' : ' with changes')
  } catch {
    return undefined
  }
}

const begin = '<!-- figures: written by `npm run torture -- --write` -->'
const end = '<!-- end of figures -->'
const head = [
  '| test | store | trials | failures | bound (95 %) | controls caught | commit | date | machine | seed |',
]

/** Puts the figures into the document: rows of other tests stay as they are. */
export function writeFigures(figures: readonly Figure[], document: URL): void {
  const text = readFileSync(document, 'utf8')
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${document.pathname} has no place for figures`)
  const rows = new Map(
    text
      .slice(from, to)
      .split('\n')
      .filter((line) => /^\| T\d/.test(line))
      .map((line) => [line.split('|').slice(1, 3).join('|'), line]),
  )
  for (const figure of figures) {
    if (figure.result.skipped !== undefined) continue
    const row = rowOf(figure)
    rows.set(row.split('|').slice(1, 3).join('|'), row)
  }
  const numberOf = (key: string): number => Number(/\d+/.exec(key)?.[0])
  // A sort keeps what is equal in its order: the stores of a test stay as they came.
  const inOrder = [...rows].sort(([one], [other]) => numberOf(one) - numberOf(other))
  const table = [...head, `|${' --- |'.repeat(10)}`, ...inOrder.map(([, row]) => row)]
  writeFileSync(document, `${text.slice(0, from)}${begin}\n\n${table.join('\n')}\n\n${text.slice(to)}`)
}

function rowOf({ id, store, result, seed, isQuick }: Figure): string {
  const bound = boundOf(result)
  const caught = result.controls.filter(({ seen }) => seen > 0).length
  const cells = [
    id,
    storeTitles[store],
    `${counted(result.trials)} ${result.unit}${isQuick ? ' (quick)' : ''}`,
    counted(result.failures.length),
    bound === undefined ? '–' : `below ${percent(bound)}`,
    `${caught} of ${result.controls.length}`,
    commit() ?? '–',
    new Date().toISOString().slice(0, 10),
    machine(),
    String(seed),
  ]
  return `| ${cells.join(' | ')} |`
}
