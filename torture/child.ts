/** Processes of our own making that speak in lines of JSON, and die when told to. */
import { type ChildProcess, spawn } from 'node:child_process'
import { writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** Starting a process costs a third with what node has compiled before. */
const compileCache = fileURLToPath(new URL('../node_modules/.cache/torture', import.meta.url))

/** How often a child looks whether its parent is still there, in ms. */
const parentLookMs = 1_000

const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const { pid } of alive) if (pid !== undefined) killGroup(pid)
})

/** Ends a program and what it runs: strace alone would leave its tracee behind. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It ended just now.
  }
}

export interface ChildOptions {
  /** A program to run node under: `strace` and what it takes. */
  readonly under?: readonly string[]
  /** For node itself: how much memory it may take. */
  readonly nodeOptions?: readonly string[]
}

/** A program of `processes/` at work. Each whole line that it writes is a message; what a kill cuts off is not. */
export class Child {
  readonly process: ChildProcess
  /** Resolves when the process is gone and every message has been read. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>
  readonly #onFirst: Promise<void>
  #errors = ''

  constructor(
    program: string,
    config: object,
    onMessage: (message: Message) => void,
    { under = [], nodeOptions = [] }: ChildOptions = {},
  ) {
    const file = fileURLToPath(new URL(`./processes/${program}.ts`, import.meta.url))
    const [command, ...rest] = [...under, process.execPath, ...nodeOptions, file, JSON.stringify(config)]
    const env = { ...process.env, NODE_COMPILE_CACHE: compileCache }
    // In a group of its own: Ctrl-C is for the parent, which then ends its children in good order.
    this.process = spawn(command, rest, { stdio: ['pipe', 'pipe', 'pipe'], env, detached: true })
    alive.add(this.process)
    this.process.stdin?.on('error', () => undefined)
    this.process.stderr?.on('data', (text) => {
      this.#errors += String(text)
    })
    const lines = createInterface({ input: this.process.stdout as NodeJS.ReadableStream })
    let tellFirst = (): void => undefined
    this.#onFirst = new Promise((resolve) => {
      tellFirst = resolve
    })
    lines.on('line', (line) => {
      const message = parsed(line)
      if (message === undefined) return
      tellFirst()
      onMessage(message)
    })
    const allRead = new Promise<void>((resolve) => lines.on('close', resolve))
    this.ended = new Promise((resolve, reject) => {
      this.process.on('error', reject)
      this.process.on('close', (code, signal) => {
        alive.delete(this.process)
        tellFirst()
        allRead.then(() => resolve({ code, signal }), reject)
      })
    })
  }

  /** What it wrote to its standard error. */
  get errors(): string {
    return this.#errors
  }

  /** Resolves with the first message, or the end. */
  get spoke(): Promise<void> {
    return this.#onFirst
  }

  send(message: object): void {
    this.process.stdin?.write(`${JSON.stringify(message)}\n`)
  }

  /** As a power cut is to the process, though not to the disk. */
  kill(): void {
    this.process.kill('SIGKILL')
  }
}

export interface Message {
  readonly [field: string]: unknown
}

function parsed(line: string): Message | undefined {
  try {
    return JSON.parse(line) as Message
  } catch {
    // The kill came in the middle of the line: nothing was said.
    return undefined
  }
}

/** In a child: what the parent gave it. A parent that is killed ends nobody any more, so its children see to that themselves. */
export function configOf<Config>(): Config {
  const parent = process.ppid
  const look = (): void => {
    if (process.ppid !== parent) process.exit(1)
  }
  setInterval(look, parentLookMs).unref()
  // Now, since a killed process does not come to it later.
  flushCompileCache()
  return JSON.parse(process.argv[2] ?? '{}') as Config
}

/** In a child: says something, and returns when it is in the pipe, so that no kill can take it back. */
export function say(message: object): void {
  const text = Buffer.from(`${JSON.stringify(message)}\n`)
  for (let written = 0; written < text.length; ) {
    try {
      written += writeSync(1, text, written)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}
