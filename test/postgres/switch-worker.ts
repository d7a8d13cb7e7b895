/**
 * One of several processes that go on while a log is divided: `node switch-worker.ts <address> <schema> writer|reader`.
 * It says that it is ready once its statements are prepared and planned, and reports when it is told to stop.
 */
import { openBook, type RecordedEvent } from '../../library/src/index.ts'
import { postgres } from '../../library/src/postgres/index.ts'

/** What a process did. */
export interface SwitchReport {
  /** How long each thing it did took at most, in ms. */
  readonly longestMs: { readonly [work: string]: number }
  /** Position and id of what was acknowledged to it, or of all that it read. */
  readonly events: readonly (readonly [position: number, id: string])[]
}

const [address = '', schema = '', manner = ''] = process.argv.slice(2)
const longestMs: { [work: string]: number } = {}
const events: (readonly [number, string])[] = []
const told = { toStop: false }
process.once('message', () => {
  told.toStop = true
})

async function timed<Result>(work: string, run: () => Promise<Result>): Promise<Result> {
  const startMs = performance.now()
  const result = await run()
  longestMs[work] = Math.max(longestMs[work] ?? 0, performance.now() - startMs)
  return result
}

function note(seen: readonly RecordedEvent[]): void {
  for (const { position, id } of seen) events.push([position, id])
}

await using book = await openBook({ store: postgres(address, { schema }) })

async function write(turn: number, lane: number): Promise<void> {
  const happened = { type: 'Happened', data: { turn }, tags: [`tag:${turn % 7}`] }
  const idempotencyKey = `${process.pid}-${lane}-${turn}`
  const appending = () => book.append(`thing-${turn % 20}`, [happened, happened], { idempotencyKey })
  note((await timed('append', appending)).events)
}

async function read(turn: number): Promise<void> {
  await timed('head', () => book.head())
  const backwards = { direction: 'backwards', limit: 20 } as const
  await timed('stream', () => book.readStream(`thing-${turn % 20}`, backwards).toArray())
  await timed('tag', () => book.readLog({ query: { tags: [`tag:${turn % 7}`] }, limit: 20 }).toArray())
  const afterPosition = events.at(-1)?.[0] ?? 0
  note(await timed('log', () => book.readLog({ afterPosition, limit: 500 }).toArray()))
}

async function lane(number: number): Promise<void> {
  for (let turn = 0; !told.toStop; turn++) {
    await (manner === 'writer' ? write(turn, number) : read(turn))
    // After five executions a prepared statement may get a plan for all parameters.
    if (turn === 20 && number === 0) process.send?.('ready')
  }
}

await Promise.all((manner === 'writer' ? [0, 1, 2, 3] : [0]).map(lane))
const report: SwitchReport = { longestMs, events }
process.send?.(report, () => process.disconnect())
