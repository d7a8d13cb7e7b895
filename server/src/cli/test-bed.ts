/** What the tests of the command line stand on: folders with a book, and runs in this process or as a real one. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { RecordedEvent } from 'daybook'
import type { Failure } from './failures.ts'
import { exampleFiles } from './init-files.ts'
import { runProgram } from './program.ts'

process.setMaxListeners(0)

const repository = fileURLToPath(new URL('../../..', import.meta.url))
const binary = join(repository, 'server', 'bin', 'daybook.js')

/** A temporary folder from which `daybook` and `zod` resolve; it goes when the tests end. */
export function newFolder(files: { readonly [name: string]: string } = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'daybook-cli-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  return folder
}

/** A folder with the example of `daybook init`. */
export function exampleFolder(): string {
  return newFolder(exampleFiles)
}

/** How a run ended, and what it wrote. */
export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** What a run is given besides its words. */
export interface RunOptions {
  readonly input?: string | Uint8Array
  /** Columns of the terminal that it writes to; none: a pipe. */
  readonly columns?: number
  readonly env?: { readonly [name: string]: string }
  readonly signal?: AbortSignal
  /** Told of each text on standard error, when it is written. */
  readonly onTold?: (text: string) => void
}

/** Runs the program in this process. */
export async function daybook(words: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { input = '', columns, env = {}, signal = new AbortController().signal, onTold } = options
  const [stdout, stderr] = [new Written(columns), new Written(columns, onTold)]
  const stdin = Readable.from([Buffer.from(input)])
  const code = await runProgram(words, { stdin, stdout, stderr, env, signal })
  return { code, stdout: stdout.text, stderr: stderr.text }
}

/** Runs the program in this process and parses what it printed, one JSON value a line. */
export async function daybookJson(
  words: readonly string[],
  options: RunOptions = {},
): Promise<readonly Json[]> {
  const { stdout } = await daybook([...words, '--json'], options)
  return jsonLines(stdout)
}

/** Runs the program in this process and parses the events it printed. */
export async function daybookEvents(
  words: readonly string[],
): Promise<readonly RecordedEvent<string, Json>[]> {
  const { stdout } = await daybook([...words, '--json'])
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as RecordedEvent<string, Json>)
}

/** Anything that was printed as JSON. */
export interface Json {
  readonly [field: string]: unknown
}

/** The values of text that holds one JSON value a line. */
export function jsonLines(lines: string): readonly Json[] {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Json)
}

/** The failure a run told as JSON. */
export function failureOf({ stderr }: Ran): Failure {
  const { error } = JSON.parse(stderr.split('\n')[0] ?? '') as { readonly error: Failure }
  return error
}

class Written {
  text = ''
  readonly isTTY: boolean
  readonly columns: number
  readonly #onText: ((text: string) => void) | undefined

  constructor(columns: number | undefined, onText?: (text: string) => void) {
    this.#onText = onText
    this.isTTY = columns !== undefined
    this.columns = columns ?? 80
  }

  write(text: string, done: (error?: Error | null) => void): void {
    this.text += text
    this.#onText?.(text)
    done()
  }
}

/** A real run under way. */
export interface Child {
  readonly ended: Promise<Ran>
  /** Resolves when standard output holds the text. */
  printed(wanted: string): Promise<void>
  write(input: string): void
  kill(signal: 'SIGINT' | 'SIGTERM'): void
}

/** Starts the real program in a folder. */
export function startDaybook(folder: string, words: readonly string[], env: RunOptions['env'] = {}): Child {
  const child = spawn(process.execPath, [binary, ...words], { cwd: folder, env: { ...process.env, ...env } })
  let stdout = ''
  const watchers = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk
    for (const watcher of watchers) watcher()
  })
  const stderr = text(child.stderr)
  const ended = new Promise<Ran>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => void stderr.then((told) => resolve({ code, stdout, stderr: told })))
  })
  return {
    ended,
    printed: (wanted) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!stdout.includes(wanted)) return
          watchers.delete(look)
          resolve()
        }
        watchers.add(look)
        look()
      }),
    write: (input) => void child.stdin.write(input),
    kill: (signal) => void child.kill(signal),
  }
}

/** Runs the real program in a folder. */
export function runDaybook(folder: string, ...words: readonly string[]): Promise<Ran> {
  return startDaybook(folder, words).ended
}

/** Runs a line of a POSIX shell in which `daybook` is the real program. */
export async function runShell(folder: string, line: string): Promise<Ran> {
  const script = `daybook() { "${process.execPath}" "${binary}" "$@"; }\n${line}`
  const child = spawn('sh', ['-c', script], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.on('close', resolve)),
  ])
  return { code, stdout, stderr }
}
