/** Opens what a power cut left, and says whether it is the book it must be. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isDeepStrictEqual } from 'node:util'
import { openBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account, type Balance, balances, referenceBalances, totals, type Written } from '../accounts.ts'
import { type FoundLog, type FoundRow, foundLogOf, readFoundLog, unsoundness } from '../found-log.ts'
import type { Image } from './images.ts'
import { bookFile } from './recording.ts'

/** What is wrong with an image. */
export interface Verdict {
  /** Acknowledged events are not there, or not as they were. */
  readonly lost: readonly string[]
  /** Anything else: the file does not open, or holds what it must not. */
  readonly corrupt: readonly string[]
}

/** Judges images by the log that the workload ended with: every image holds a beginning of it, whole appends only. */
export class Judge {
  readonly #folder: string
  readonly #final: FoundLog
  /** Positions at which an append ends. */
  readonly #ends: ReadonlySet<number>
  readonly #models = new Map<number, ReturnType<typeof referenceBalances>>()

  constructor(folder: string, final: FoundLog) {
    this.#folder = folder
    this.#final = final
    const last = new Map(final.rows.map(({ data, position }) => [(JSON.parse(data) as Written).op, position]))
    this.#ends = new Set([0, ...last.values()])
  }

  /** Reads the file with SQLite alone. */
  withSqlite(image: Image, acknowledged: number): Verdict {
    const path = this.#write(image)
    const problems: string[] = []
    try {
      const database = new DatabaseSync(path, { timeout: 1_000 })
      try {
        const found = foundLogOf(database)
        problems.push(...this.#unlikeFinal(found), ...this.#unlikeModels(database, found.rows.length))
        return { lost: this.#lost(found.rows.length, acknowledged), corrupt: problems }
      } finally {
        database.close()
      }
    } catch (error) {
      return { lost: [], corrupt: [`SQLite cannot read it: ${String(error)}`] }
    }
  }

  /** Opens the book as an application does after a crash, goes on writing, and looks at the file again. */
  async withBook(image: Image, acknowledged: number): Promise<Verdict> {
    const path = this.#write(image)
    try {
      const { head, problems } = await this.#goOn(path)
      const found = readFoundLog(path)
      if (found.rows.length !== head + 1) problems.push(`${found.rows.length} events, not ${head + 1}`)
      problems.push(
        ...unsoundness(found),
        ...this.#unlikeFinal({ ...found, rows: found.rows.slice(0, head) }),
      )
      return { lost: this.#lost(head, acknowledged), corrupt: problems }
    } catch (error) {
      return { lost: [], corrupt: [`the book does not open or go on: ${String(error)}`] }
    }
  }

  async #goOn(path: string): Promise<{ head: number; problems: string[] }> {
    await using book = await openBook({
      store: sqlite(path),
      deciders: [account],
      projections: [balances, totals],
    })
    const head = await book.head()
    await book.append('account-after', { type: 'Deposited', data: { op: 'after', cents: 1 } })
    const { balances: expected } = this.#modelsAt(head)
    const problems: string[] = []
    for (const { key, document } of await book
      .read(balances)
      .find({ notBefore: head + 1, timeoutMs: 6_000 })) {
      if (key === 'account-after' || isDeepStrictEqual(document, expected.get(key))) continue
      problems.push(`the read model of ${key} is not that of its events`)
    }
    return { head, problems }
  }

  /** Lays the image out as files, with nothing left of the one before. */
  #write(image: Image): string {
    for (const suffix of ['', '-wal', '-shm', '-journal'])
      rmSync(join(this.#folder, bookFile + suffix), { force: true })
    for (const [file, bytes] of image) writeFileSync(join(this.#folder, file), bytes)
    return join(this.#folder, bookFile)
  }

  #lost(head: number, acknowledged: number): string[] {
    return head >= acknowledged ? [] : [`${acknowledged} events were acknowledged, ${head} are there`]
  }

  /** Rows byte for byte, with their hashes, whose chain was verified once for the whole log; keys; tags. */
  #unlikeFinal(found: FoundLog): string[] {
    const head = found.rows.length
    const problems = found.check === 'ok' ? [] : [`quick_check: ${found.check}`]
    if (!this.#ends.has(head)) problems.push(`the log ends at ${head}, in the middle of an append`)
    const different = found.rows.findIndex((row, index) => !isSameRow(row, this.#final.rows[index]))
    if (different >= 0) problems.push(`position ${different + 1} is not as it was written`)
    const keys = this.#final.keys.filter(({ firstPosition }) => firstPosition <= head).length
    const foundKeys = found.keys.filter(({ firstPosition }) => firstPosition <= head).length
    if (keys !== foundKeys) problems.push(`${foundKeys} idempotency keys, not ${keys}`)
    const tags = [...this.#final.tagCounts.keys()].filter((position) => position <= head).length
    const foundTags = [...found.tagCounts.keys()].filter((position) => position <= head).length
    if (tags !== foundTags) problems.push(`tags of ${foundTags} events, not ${tags}`)
    return problems
  }

  /** Read models may lag, and must equal their events up to their checkpoint, which is never beyond the head. */
  #unlikeModels(database: DatabaseSync, head: number): string[] {
    const names = database.prepare(`SELECT name FROM sqlite_schema WHERE name LIKE 'read:%@1'`).all()
    return names.flatMap(({ name }) => {
      const subscription = String(name).slice('read:'.length)
      const row = database.prepare('SELECT position FROM checkpoint WHERE subscription = ?').get(subscription)
      const position = Number(row?.position ?? 0)
      if (position > head) return [`${subscription} is at ${position}, beyond the head ${head}`]
      if (subscription.startsWith('totals') && position !== head && row !== undefined && position > 0)
        return [`the inline ${subscription} is at ${position}, not at the head ${head}`]
      const documents = database.prepare(`SELECT key, document FROM "${String(name)}"`).all()
      const found = new Map(documents.map(({ key, document }) => [String(key), JSON.parse(String(document))]))
      const reference = this.#modelsAt(position)
      const expected: ReadonlyMap<string, Balance> = subscription.startsWith('totals')
        ? new Map(position === 0 || found.size === 0 ? [] : [['all', reference.totals]])
        : reference.balances
      return isDeepStrictEqual(found, expected) ? [] : [`${subscription} is not the fold of its events`]
    })
  }

  #modelsAt(position: number): ReturnType<typeof referenceBalances> {
    let models = this.#models.get(position)
    if (models === undefined) {
      models = referenceBalances(this.#final.rows.slice(0, position))
      this.#models.set(position, models)
    }
    return models
  }
}

function isSameRow(row: FoundRow, other: FoundRow | undefined): boolean {
  return (
    other !== undefined &&
    row.position === other.position &&
    row.stream === other.stream &&
    row.version === other.version &&
    row.type === other.type &&
    row.schemaVersion === other.schemaVersion &&
    row.id === other.id &&
    row.data === other.data &&
    row.metadata === other.metadata &&
    row.tags === other.tags &&
    row.recordedAtMs === other.recordedAtMs &&
    Buffer.compare(row.leafHash, other.leafHash) === 0 &&
    Buffer.compare(row.chainHash, other.chainHash) === 0
  )
}
