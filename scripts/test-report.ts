/**
 * Prints a test run: a line for each file, each skipped test with its reason, node's own closing summary, and the
 * failures in full. Other tools read the closing lines (`ℹ tests 12`), so they stay as node prints them.
 */
import type { EventData, TestsStream } from 'node:test'
import { spec } from 'node:test/reporters'

export interface Outcome {
  readonly isSuccess: boolean
  readonly skipped: number
}

interface FileTally {
  passed: number
  failed: number
  skipped: number
  output: string
}

type Result = EventData.TestPass | EventData.TestFail

/** Writes the report to `out` as events come. `shorten` turns a file's path into the name to print. */
export async function report(
  events: TestsStream,
  shorten: (file: string) => string,
  out: NodeJS.WritableStream,
): Promise<Outcome> {
  const tallies = new Map<string, FileTally>()
  const skips: string[] = []
  const titles: string[] = []
  const details = new spec()
  details.pipe(out, { end: false })
  let isSuccess = true
  let skipped = 0

  for await (const event of events) {
    if (event.type === 'test:start') {
      titles.length = event.data.nesting
      titles[event.data.nesting] = event.data.name
    } else if (event.type === 'test:stdout' || event.type === 'test:stderr') {
      tallyOf(tallies, event.data.file).output += event.data.message
    } else if (event.type === 'test:pass' || event.type === 'test:fail') {
      count(tallyOf(tallies, event.data.file), event.type, event.data)
      if (event.data.skip !== undefined) {
        skipped += 1
        skips.push(skipLine(event.data, titles, shorten))
      }
      if (event.type === 'test:fail') details.write(event)
      if (event.data.name === event.data.file) out.write(tallyOf(tallies, event.data.file).output)
    } else if (event.type === 'test:diagnostic' && event.data.file === undefined) {
      for (const line of skips.splice(0)) out.write(`${line}\n`)
      details.write(event)
    } else if (event.type === 'test:summary') {
      if (event.data.file === undefined) isSuccess = event.data.success
      else out.write(fileLines(shorten(event.data.file), tallyOf(tallies, event.data.file), event.data))
    }
  }
  await new Promise((resolve) => details.end(resolve))
  return { isSuccess, skipped }
}

function tallyOf(tallies: Map<string, FileTally>, file = ''): FileTally {
  const tally = tallies.get(file) ?? { passed: 0, failed: 0, skipped: 0, output: '' }
  tallies.set(file, tally)
  return tally
}

function count(tally: FileTally, type: 'test:pass' | 'test:fail', result: Result): void {
  if (result.details.type === 'suite' && result.skip === undefined) return
  if (result.skip !== undefined) tally.skipped += 1
  else if (type === 'test:pass') tally.passed += 1
  else tally.failed += 1
}

function skipLine(result: Result, titles: readonly string[], shorten: (file: string) => string): string {
  const name = [...titles.slice(0, result.nesting), result.name].join(' > ')
  const reason = typeof result.skip === 'string' && result.skip !== '' ? result.skip : 'no reason given'
  return `skipped: ${shorten(result.file ?? '')}: ${name}: ${reason}`
}

/** What a file's tests printed is shown only when one of them failed. */
function fileLines(name: string, tally: FileTally, summary: EventData.TestSummary): string {
  const skipped = tally.skipped === 0 ? '' : `, ${tally.skipped} skipped`
  const failed = tally.failed === 0 ? '' : `, ${tally.failed} failed`
  const duration = `${(summary.duration_ms / 1000).toFixed(1)} s`
  const line = `${summary.success ? '✔' : '✖'} ${name} (${tally.passed} passed${failed}${skipped}, ${duration})\n`
  return summary.success || tally.output === '' ? line : `${line}${tally.output.trimEnd()}\n`
}
