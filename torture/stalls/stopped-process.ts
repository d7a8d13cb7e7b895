/** Processes that are stopped by SIGSTOP, as a debugger, a full host or a frozen virtual machine does it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Child, type Message } from '../child.ts'
import type { Random } from '../random.ts'
import type { BookAddress } from '../stores/address.ts'
import { readFoundLogAt } from '../stores/books.ts'
import type { Stall } from '../t08-stall.ts'
import type { WatchedBook } from './watched-book.ts'

/** The server frees the lock of a writer that says nothing for as long as that writer would wait itself. */
const writerTimeoutMs = 3_000
const mostMs = 10_000

/** Waits for messages of a child, one of a kind at a time. */
class Conversation {
  readonly child: Child
  readonly said: Message[] = []
  readonly #listeners = new Set<() => void>()

  constructor(program: string, config: object) {
    this.child = new Child(program, config, (message) => {
      this.said.push(message)
      for (const listener of this.#listeners) listener()
    })
  }

  /** Resolves with the first message that fits, said before or later; undefined when none comes in time. */
  async hear(fits: (message: Message) => boolean): Promise<Message | undefined> {
    const overdue = AbortSignal.timeout(mostMs)
    for (;;) {
      const found = this.said.find(fits)
      if (found !== undefined || overdue.aborted) return found
      const said = Promise.withResolvers<void>()
      const listener = (): void => said.resolve()
      this.#listeners.add(listener)
      await Promise.race([said.promise, this.child.ended, sleep(100)])
      this.#listeners.delete(listener)
    }
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.child.process.kill(name)
  }

  async end(): Promise<void> {
    this.signal('SIGCONT')
    this.child.kill()
    await this.child.ended
  }
}

/** A writer is stopped between its two round trips, with the lock in its hands. */
export async function stopWriter(watched: WatchedBook, random: Random): Promise<Stall> {
  const { address } = watched
  const config = { address: called(address, 'stopped-till'), timeoutMs: writerTimeoutMs }
  const writer = new Conversation('stalled-writer', config)
  const problems: string[] = []
  try {
    await writer.hear(({ open }) => open === true)
    await sleep(random.next() * 200)
    writer.child.send({ op: 'stalled' })
    await writer.hear(({ holding }) => holding !== undefined)
    const freeMs = performance.now() + writerTimeoutMs
    // What was committed before the stop may be acknowledged after it.
    await sleep(100)
    const progressing = watched.progress(mostMs).then(() => performance.now())
    const names = (text: string): boolean =>
      (address.store === 'sqlite' ? /lock/ : /"stopped-till"/).test(text)
    const namedMs = await watched.namedBy(names, mostMs)
    // Nothing but its own going on frees a file's lock; the server ends a transaction that nobody goes on with.
    const fromMs = address.store === 'sqlite' ? performance.now() : freeMs
    if (address.store === 'sqlite') writer.signal('SIGCONT')
    const progressMs = Math.max(0, (await progressing) - fromMs)
    writer.signal('SIGCONT')
    const answer = await writer.hear(({ acknowledged, failed }) => (acknowledged ?? failed) !== undefined)
    const { rows } = await readFoundLogAt(address)
    const times = rows.filter(({ stream }) => stream === 'account-stalled').length
    // Woken later than it would have waited itself, it may give up, and then must have written nothing.
    const isGivenUp = answer?.code === 'STORE_UNREACHABLE'
    if (answer?.acknowledged === undefined && !isGivenUp)
      problems.push(`the writer ended with ${JSON.stringify(answer)}`)
    if (times !== (isGivenUp ? 0 : 1)) problems.push(`the stopped writer's event stands ${times} times`)
    return { namedMs, progressMs, problems }
  } finally {
    await writer.end()
  }
}

/** A follower is stopped wherever it is, and must neither hold up appends nor skip anything. */
export async function stopFollower(watched: WatchedBook, random: Random): Promise<Stall> {
  const follower = new Conversation('stalled-follower', {
    address: called(watched.address, 'stopped-folder'),
  })
  const problems: string[] = []
  try {
    await follower.hear(({ followed }) => followed !== undefined)
    await sleep(random.next() * 300)
    follower.signal('SIGSTOP')
    const namedMs = await watched.followerNamed(mostMs)
    if (watched.silentMs > 1_000) problems.push('a stopped follower held up appends')
    await sleep(random.next() * 1_000)
    const missed = await watched.head()
    follower.signal('SIGCONT')
    const startMs = performance.now()
    await follower.hear(({ followed }) => Number(followed) >= missed)
    const progressMs = performance.now() - startMs
    await watched.end()
    problems.push(...(await watched.balanceProblems()))
    for (const { problem } of follower.said) if (typeof problem === 'string') problems.push(problem)
    return { namedMs, progressMs, problems }
  } finally {
    await follower.end()
  }
}

/** The address under an application's name. */
function called(address: BookAddress, applicationName: string): BookAddress {
  if (address.store === 'sqlite') return address
  const url = new URL(address.url)
  url.searchParams.set('application_name', applicationName)
  return { ...address, url: url.href }
}
