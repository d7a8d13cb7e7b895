import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { BookIdentity, BriefPage, LogSlice } from '../core/ports/store.ts'
import type { ConnectionOptions } from './connection.ts'
import { type PackedPage, unpacked } from './packed-page.ts'
import type { ThreadAnswer, ThreadOrder, ThreadRequest } from './reading-thread.ts'

/** Pages under way: waking a thread takes as long as reading some hundred events. */
const pagesAhead = 4

export interface ReadAheadSettings {
  /** Fewer events than this are read before a thread has begun. */
  readonly leastBacklog: number
  /** Whoever has not asked for so long, in ms, leaves the thread to others; nobody, and it ends. */
  readonly idleMs: number
}

const usual: ReadAheadSettings = { leastBacklog: 50_000, idleMs: 2_000 }

/** Beside this module, as a source or built. */
const threadUrl = new URL(`./reading-thread${extname(import.meta.url)}`, import.meta.url)

/**
 * A long backlog, as of a rebuild, is read by a thread of its own: reading takes about as long as folding what was read,
 * and both go on at the same time. The thread begins when there is much to read and ends when there is not, or when it
 * fails in any way; until it has begun, and for what it does not read, whoever asks reads as ever. It reads for one at a time.
 */
export class ReadAhead {
  readonly #order: ThreadOrder
  readonly #settings: ReadAheadSettings
  #thread: Worker | undefined
  #isReady = false
  #isOff = false
  #idle: NodeJS.Timeout | undefined
  #run: Run | undefined
  #runs = 0
  #waiting = 0

  constructor(
    options: ConnectionOptions,
    { bookId, epoch }: BookIdentity,
    settings: Partial<ReadAheadSettings> = {},
  ) {
    this.#order = { options, bookId, epoch }
    this.#settings = { ...usual, ...settings }
  }

  /** A page read by the thread; undefined where it has to be read by who asks. */
  async read(slice: LogSlice, knownHead: number): Promise<BriefPage | undefined> {
    const backlog = Math.min(slice.toPosition, knownHead) - slice.afterPosition
    if (this.#isOff || backlog < this.#settings.leastBacklog || !this.#begin()) return undefined
    const run = this.#runFor(slice)
    if (run === undefined) return undefined
    const page = await this.#awaited(run.page(slice.afterPosition))
    const rows = page === undefined ? undefined : unpacked(page)
    if (page !== undefined && rows !== undefined) return { rows, scannedTo: page.scannedTo, head: page.head }
    if (run === this.#run) this.#run = undefined
    return undefined
  }

  /** Ends the thread for good. */
  async close(): Promise<void> {
    this.#isOff = true
    await this.#end()
  }

  /** A process goes on while somebody waits for the thread, and only then. */
  async #awaited<Result>(pending: Promise<Result>): Promise<Result> {
    this.#waiting++
    this.#thread?.ref()
    try {
      return await pending
    } finally {
      this.#waiting--
      if (this.#waiting === 0) this.#thread?.unref()
    }
  }

  #runFor(slice: LogSlice): Run | undefined {
    const now = this.#run
    if (now?.isOf(slice)) {
      if (now.isAt(slice.afterPosition)) return now
    } else if (now !== undefined && performance.now() - now.askedAtMs < this.#settings.idleMs)
      return undefined
    now?.end()
    const thread = this.#thread as Worker
    const run = new Run(++this.#runs, slice, (request) => thread.postMessage(request))
    this.#run = run
    return run
  }

  /** True when the thread reads. */
  #begin(): boolean {
    this.#idle ??= setTimeout(() => void this.#end(), this.#settings.idleMs).unref()
    this.#idle.refresh()
    if (this.#thread === undefined) this.#start()
    return this.#isReady
  }

  #start(): void {
    const thread = new Worker(threadUrl, { workerData: this.#order, execArgv: [] })
    this.#thread = thread
    thread.unref()
    // The first word is that it has opened the book.
    thread.once('message', () => {
      this.#isReady = thread === this.#thread
      thread.on('message', ({ run, page }: ThreadAnswer) => {
        if (run === this.#run?.number) this.#run.answer(page)
      })
    })
    thread.once('error', () => {
      this.#isOff = true
    })
    thread.once('exit', () => {
      if (thread === this.#thread) this.#forget()
    })
  }

  async #end(): Promise<void> {
    const thread = this.#thread
    this.#forget()
    await thread?.terminate()
  }

  #forget(): void {
    clearTimeout(this.#idle)
    this.#idle = undefined
    this.#thread = undefined
    this.#isReady = false
    this.#run?.end()
    this.#run = undefined
  }
}

type Answer = PackedPage | undefined

/** Pages one behind the other, some of them before they are asked for. */
class Run {
  readonly number: number
  askedAtMs = 0
  readonly #slice: LogSlice
  readonly #send: (request: ThreadRequest) => void
  readonly #coming: PromiseWithResolvers<Answer>[] = []
  /** Those of `coming` that the thread has not answered yet. */
  readonly #owed: PromiseWithResolvers<Answer>[] = []
  #last: { readonly after: number; readonly page: Promise<Answer> } | undefined
  #next: number

  constructor(number: number, slice: LogSlice, send: (request: ThreadRequest) => void) {
    this.number = number
    this.#slice = slice
    this.#send = send
    this.#next = slice.afterPosition
    this.#order(pagesAhead, slice)
  }

  isOf({ items, toPosition, limit }: LogSlice): boolean {
    return items === this.#slice.items && toPosition === this.#slice.toPosition && limit === this.#slice.limit
  }

  /** Whether a page is the next one, or the last one once more. */
  isAt(afterPosition: number): boolean {
    return afterPosition === this.#next || afterPosition === this.#last?.after
  }

  async page(afterPosition: number): Promise<Answer> {
    this.askedAtMs = performance.now()
    if (afterPosition === this.#last?.after) return this.#last.page
    const coming = this.#coming.shift() as PromiseWithResolvers<Answer>
    this.#last = { after: afterPosition, page: coming.promise }
    this.#order(1)
    const page = await coming.promise
    this.#next = page?.scannedTo ?? Number.NaN
    // At the end there may be more by the next time.
    if (page === undefined || page.scannedTo >= page.head) this.#last = undefined
    return page
  }

  #order(pages: number, slice?: LogSlice): void {
    for (let nth = 0; nth < pages; nth++) {
      const coming = Promise.withResolvers<Answer>()
      this.#coming.push(coming)
      this.#owed.push(coming)
    }
    this.#send({ run: this.number, pages, ...(slice && { slice }) })
  }

  answer(page: Answer): void {
    this.#owed.shift()?.resolve(page)
    if (page === undefined) this.end()
  }

  end(): void {
    for (const owed of this.#owed.splice(0)) owed.resolve(undefined)
  }
}
