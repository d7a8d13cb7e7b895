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

type Result = EventData.TestPass | EventData.TestFail

/** Writes the report to `out` as events come. `shorten` turns a file's path into the name to print. */
export async function report(
  events: TestsStream,
  shorten: (file: string) => string,
  out: NodeJS.WritableStream,
): Promise<Outcome> {
  const outputs = new Map<string, string>()
  const outputOf = (file = ''): string => outputs.get(file) ?? ''
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
      outputs.set(event.data.file ?? '', outputOf(event.data.file) + event.data.message)
    } else if (event.type === 'test:pass' || event.type === 'test:fail') {
      if (event.data.skip !== undefined) {
        skipped += 1
        skips.push(skipLine(event.data, titles, shorten))
      }
      if (event.type === 'test:fail') details.write(event)
      if (event.data.name === event.data.file) out.write(outputOf(event.data.file))
    } else if (event.type === 'test:diagnostic' && event.data.file === undefined) {
      for (const line of skips.splice(0)) out.write(`${line}\n`)
      details.write(event)
    } else if (event.type === 'test:summary') {
      if (event.data.file === undefined) isSuccess = event.data.success
      else out.write(fileLines(shorten(event.data.file), outputOf(event.data.file), event.data))
    }
  }
  await new Promise((resolve) => details.end(resolve))
  return { isSuccess, skipped }
}

function skipLine(result: Result, titles: readonly string[], shorten: (file: string) => string): string {
  const name = [...titles.slice(0, result.nesting), result.name].join(' > ')
  const reason = typeof result.skip === 'string' && result.skip !== '' ? result.skip : 'no reason given'
  return `skipped: ${shorten(result.file ?? '')}: ${name}: ${reason}`
}

/** What a file's tests printed is shown only when one of them failed. */
function fileLines(name: string, output: string, summary: EventData.TestSummary): string {
  const { counts } = summary
  const skipped = counts.skipped === 0 ? '' : `, ${counts.skipped} skipped`
  const failed =
    counts.tests === counts.passed + counts.skipped
      ? ''
      : `, ${counts.tests - counts.passed - counts.skipped} failed`
  const duration = `${(summary.duration_ms / 1000).toFixed(1)} s`
  const line = `${summary.success ? '✔' : '✖'} ${name} (${counts.passed} passed${failed}${skipped}, ${duration})\n`
  return summary.success || output === '' ? line : `${line}${output.trimEnd()}\n`
}
