/**
 * Runs the tests: every *.test.ts of the repository, or those whose path contains one of the arguments.
 *
 * `npm test`, `npm test -- sqlite`, `npm test -- core/append book`. Half as many files again as there are processors run at
 * a time, eight at most. A test may take two minutes (`DAYBOOK_TEST_TIMEOUT_MS` changes that); one that needs longer says so
 * itself. A run that reports nothing for five minutes is ended, such as one whose tests are over but leave a server
 * open. At the end each skipped test is named with its reason; with `DAYBOOK_REQUIRE_ALL=1` a skip is a failure.
 *
 * Temporary files are kept in memory where there is room, unless `TMPDIR` takes them elsewhere: databases are hundreds of files, and
 * for each new file ext4 looks at all that were lately deleted.
 */
import {
  accessSync,
  chmodSync,
  constants,
  globSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
} from 'node:fs'
import { availableParallelism, freemem } from 'node:os'
import { join, relative, sep } from 'node:path'
import { run } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type PostgresServer, startServer } from '@daybook/postgres-server'
import { sharedServerVariable } from '@daybook/postgres-server/testing'
import { report } from './test-report.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const folders = '{library,server,examples,bench,test,scripts,torture,postgres-server}'
/** Three for two processors: a test waits for other processes a part of its time. */
const filesAtOnce = Math.min(8, Math.ceil(availableParallelism() * 1.5))
const timeoutMs = Number(process.env.DAYBOOK_TEST_TIMEOUT_MS ?? 120_000)
const mostSilenceMs = Math.max(5 * 60_000, 2 * timeoutMs)
/** Most of what the processes of the tests begin with is compiling the same files: the first that compiles one keeps it. */
process.env.NODE_COMPILE_CACHE ??= `${root}node_modules/.cache/compiled`
/** The file system in memory that every Linux has, and how much there must be of it, and of memory: five times what was seen. */
const memoryFolder = '/dev/shm'
const roomBytes = 3 * 1_073_741_824
const requireAll = process.env.DAYBOOK_REQUIRE_ALL === '1'

function testFiles(wanted: readonly string[]): string[] {
  const ignored = ['node_modules', 'dist']
  const exclude = (name: string): boolean => ignored.some((folder) => name.split(sep).includes(folder))
  const all = globSync(`${folders}/**/*.test.ts`, { cwd: root, exclude }).sort()
  return wanted.length === 0 ? all : all.filter((file) => wanted.some((part) => file.includes(part)))
}

/** One PostgreSQL for all files that ask for one, each in databases of its own: starting takes a second. */
async function sharedServer(files: readonly string[]): Promise<PostgresServer | undefined> {
  const isAsking = files.some((file) =>
    readFileSync(`${root}${file}`, 'utf8').includes('postgres-server/testing'),
  )
  return isAsking ? startServer({ settings: { max_connections: '500' } }) : undefined
}

/** Has temporary files kept in memory until the run ends, where there is room and nobody wants them elsewhere. */
function keepTemporaryFilesInMemory(): void {
  if (process.env.TMPDIR !== undefined || freemem() < 2 * roomBytes || freeBytes(memoryFolder) < roomBytes)
    return
  const folder = mkdtempSync(join(memoryFolder, 'daybook-tests-'))
  // As open as any temporary folder: servers of root's run as nobody.
  chmodSync(folder, 0o1777)
  process.env.TMPDIR = folder
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
}

/** 0 where there is no such folder, or nothing may be written. */
function freeBytes(folder: string): number {
  try {
    accessSync(folder, constants.W_OK)
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  } catch {
    return 0
  }
}

async function main(): Promise<number> {
  const files = testFiles(process.argv.slice(2))
  if (files.length === 0) {
    console.error(`No test file's path contains ${process.argv.slice(2).join(' or ')}.`)
    return 1
  }
  keepTemporaryFilesInMemory()
  await using server = await sharedServer(files)
  if (server !== undefined) process.env[sharedServerVariable] = server.url()
  const silence = new AbortController()
  const events = run({
    cwd: root,
    files: files.map((file) => `${root}${file}`),
    concurrency: filesAtOnce,
    timeout: timeoutMs,
    signal: silence.signal,
  })
  const watch = setTimeout(() => silence.abort(), mostSilenceMs)
  events.on('data', () => watch.refresh())
  const outcome = await report(events, (file) => relative(root, file), process.stdout)
  clearTimeout(watch)
  if (silence.signal.aborted) {
    console.error(
      `Nothing was reported for ${mostSilenceMs / 1000} s: a file without a line above did not end.`,
    )
    return 1
  }
  if (requireAll && outcome.skipped > 0) {
    console.error(`${outcome.skipped} skipped, and DAYBOOK_REQUIRE_ALL=1 lets none be skipped.`)
    return 1
  }
  return outcome.isSuccess ? 0 : 1
}

process.exitCode = await main()
