/**
 * Runs the tests: every *.test.ts of the repository, or those whose path contains one of the arguments.
 *
 * `npm test`, `npm test -- sqlite`, `npm test -- core/append book`. Two files run at a time. A test may take a minute
 * (`DAYBOOK_TEST_TIMEOUT_MS` changes that); one that needs longer says so itself. At the end each skipped test is named
 * with its reason; with `DAYBOOK_REQUIRE_ALL=1` a skip is a failure.
 */
import { globSync } from 'node:fs'
import { relative, sep } from 'node:path'
import { run } from 'node:test'
import { fileURLToPath } from 'node:url'
import { report } from './test-report.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const folders = '{library,server,examples,bench,test,scripts,torture}'
const timeoutMs = Number(process.env['DAYBOOK_TEST_TIMEOUT_MS'] ?? 60_000)
const requireAll = process.env['DAYBOOK_REQUIRE_ALL'] === '1'

function testFiles(wanted: readonly string[]): string[] {
  const ignored = ['node_modules', 'dist']
  const exclude = (name: string): boolean => ignored.some((folder) => name.split(sep).includes(folder))
  const all = globSync(`${folders}/**/*.test.ts`, { cwd: root, exclude }).sort()
  return wanted.length === 0 ? all : all.filter((file) => wanted.some((part) => file.includes(part)))
}

async function main(): Promise<number> {
  const files = testFiles(process.argv.slice(2))
  if (files.length === 0) {
    console.error(`No test file's path contains ${process.argv.slice(2).join(' or ')}.`)
    return 1
  }
  const events = run({
    cwd: root,
    files: files.map((file) => `${root}${file}`),
    concurrency: 2,
    timeout: timeoutMs,
    execArgv: ['--test-force-exit'],
  })
  const outcome = await report(events, (file) => relative(root, file), process.stdout)
  if (requireAll && outcome.skipped > 0) {
    console.error(`${outcome.skipped} skipped, and DAYBOOK_REQUIRE_ALL=1 lets none be skipped.`)
    return 1
  }
  return outcome.isSuccess ? 0 : 1
}

process.exitCode = await main()
