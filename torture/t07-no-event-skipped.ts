/** T7: nobody who follows an import skips, doubles or reorders an event, whatever writers and subscribers go through. */
import { forgedControls } from './following/forgeries.ts'
import { ImportRun, type ImportScale } from './following/import-run.ts'
import { pollNaively } from './following/naive-poller.ts'
import { foldingProcesses, subscribers } from './following/subscribers.ts'
import { withScratch } from './scratch.ts'
import { withBooks } from './stores/books.ts'
import { Failures, type TortureOptions, type TortureResult, type TortureTest } from './torture-test.ts'

export const noEventSkipped: TortureTest = {
  id: 'T7',
  title:
    '32 writers with rollbacks and pauses, 20 subscribers that come and go: nothing skipped, doubled, reordered',
  stores: ['sqlite', 'postgres'],
  run: runImport,
}

const quick: ImportScale = {
  events: 1_500,
  writerProcesses: 2,
  subscriberProcesses: 2,
  longestPauseMs: 150,
  longPauses: { before: 0.05, after: 0.01 },
  livesMs: [300, 1_500],
  phaseMs: [100, 400],
  snapshotMs: 1_500,
}
const full: ImportScale = {
  events: 1_000_000,
  writerProcesses: 4,
  subscriberProcesses: 5,
  longestPauseMs: 5_000,
  longPauses: { before: 0.02, after: 0.001 },
  livesMs: [500, 20_000],
  phaseMs: [1_000, 6_000],
  snapshotMs: 30_000,
}

async function runImport(options: TortureOptions): Promise<TortureResult> {
  const { store, isQuick, signal } = options
  const scale = isQuick ? quick : full
  const seed = `${options.seed}/T7`
  const failures = new Failures()
  return withBooks(store, (books) =>
    withScratch('disk', async (folder) => {
      const run = new ImportRun(books.address('import'), folder, scale, seed)
      const log = await run.run(
        (events) => options.progress(Math.min(events, scale.events), scale.events),
        signal,
      )
      failures.add(`seed ${seed}`, run.problems)
      const { witness, kills, stops } = run
      const naive = await naiveControl(books.server?.url(), seed)
      return {
        trials: log.rows.length,
        unit: 'events',
        failures: failures.lines,
        controls: [...naive, ...forgedControls(witness, log)],
        facts: {
          transactions: witness.transactions,
          'rolled back': witness.rolledBack,
          subscribers: subscribers.length + foldingProcesses,
          kills,
          stops,
          'pages and events repeated after a kill': witness.repeats(),
          rebuilds: witness.rebuilds,
        },
      }
    }),
  )
}

/** SQLite has one writer at a time, so that there a sequence is in the order of commits. */
async function naiveControl(url: string | undefined, seed: string): Promise<TortureResult['controls']> {
  if (url === undefined) return []
  return [{ sabotage: 'a naive poller over a sequence', ...(await pollNaively(url, seed, 1_000)) }]
}
