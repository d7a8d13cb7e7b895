import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { AppenderAnswer, AppenderOrder, AppenderTask } from './appender.ts'

const program = fileURLToPath(new URL('./appender.ts', import.meta.url))

/** Several processes that append to one log at the same time. */
export class Appenders {
  readonly #processes: readonly ChildProcess[]
  /** What they were told was appended. */
  events = 0

  private constructor(processes: readonly ChildProcess[]) {
    this.#processes = processes
  }

  /** Resolves when all of them are ready. */
  static async start(count: number, task: Omit<AppenderTask, 'index'>): Promise<Appenders> {
    const processes = Array.from({ length: count }, (_, index) =>
      fork(program, [JSON.stringify({ ...task, index } satisfies AppenderTask)]),
    )
    await Promise.all(processes.map(answerOf))
    return new Appenders(processes)
  }

  /** Lets all of them append for so long; returns what they reached together. */
  async run(runMs: number): Promise<number> {
    const answers = await Promise.all(this.#processes.map((process) => ask(process, { runMs })))
    this.events = answers.reduce((sum, { events }) => sum + events, 0)
    return answers.reduce((sum, { eventsPerSecond }) => sum + eventsPerSecond, 0)
  }

  /** Resolves when all of them have closed what they opened and ended. */
  async end(): Promise<void> {
    const ended = this.#processes.map((process) => once(process, 'exit'))
    for (const process of this.#processes) process.send({ end: true } satisfies AppenderOrder)
    await Promise.all(ended)
  }
}

function ask(process: ChildProcess, order: AppenderOrder): Promise<AppenderAnswer> {
  const answer = answerOf(process)
  process.send(order)
  return answer
}

async function answerOf(process: ChildProcess): Promise<AppenderAnswer> {
  const ended = new AbortController()
  const exit = once(process, 'exit', { signal: ended.signal }).then(([code]) => {
    throw new Error(`a process that appends ended with ${code}`)
  })
  const answer = once(process, 'message').then(([message]) => message as AppenderAnswer)
  try {
    return await Promise.race([answer, exit])
  } finally {
    ended.abort()
    exit.catch(() => undefined)
  }
}
