/** Cuts the power at every moment of a recording, and judges what is left. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Random } from '../random.ts'
import { Disk } from './disk.ts'
import { type Cut, cuts, type Image, imageAfter } from './images.ts'
import { type Recording, record, type Workload } from './recording.ts'
import { Judge } from './verdict.ts'

export interface CrashTally {
  images: number
  /** Of them, opened by the product too; the others by SQLite alone. */
  opened: number
  lost: number
  corrupt: number
  /** Moments at which the power was cut. */
  moments: number
  readonly problems: string[]
}

/** Records the workload, crashes it, and tells from time to time how many images it has judged. */
export async function crash(
  workload: Workload,
  folder: string,
  tell: (images: number) => void,
): Promise<CrashTally> {
  const recording = await record(workload, folder)
  const crashes = new Crashes(workload, recording, folder)
  crashes.tally.problems.push(...recording.problems)
  await crashes.run(tell)
  return crashes.tally
}

/** The product opens every image while the book is still being made, and later one in so many. */
const openedOneIn = 10
/** In a large recording so many times fewer of the moments are looked at. */
const fewerOfLarge = 12

class Crashes {
  readonly tally: CrashTally = { images: 0, opened: 0, lost: 0, corrupt: 0, moments: 0, problems: [] }
  readonly #workload: Workload
  readonly #recording: Recording
  readonly #random: Random
  readonly #judge: Judge
  readonly #disk = new Disk()
  #acknowledged = 0

  constructor(workload: Workload, recording: Recording, folder: string) {
    this.#workload = workload
    this.#recording = recording
    this.#random = new Random(`${workload.seed}/crashes`)
    mkdirSync(join(folder, 'image'))
    this.#judge = new Judge(join(folder, 'image'), recording.final)
  }

  async run(tell: (images: number) => void): Promise<void> {
    let told = 0
    for (const [index, deed] of this.#recording.deeds.entries()) {
      if (deed.kind === 'say') {
        if (typeof deed.message.acknowledged !== 'string') continue
        this.#acknowledged = Math.max(this.#acknowledged, Number(deed.message.last))
      } else if (!this.#disk.play(deed, index)) continue
      const isSettled = deed.kind === 'sync' || deed.kind === 'say'
      const isAtCheckpoint = 'file' in deed && deed.file === 'book.db'
      const { size, momentsOneIn } = this.#workload
      const share = 1 / (size === 'large' ? momentsOneIn * fewerOfLarge : momentsOneIn)
      if (!isAtCheckpoint && !this.#random.chance(share)) continue
      await this.#cutNow(`deed ${index} (${deed.kind})`, isSettled)
      if (this.tally.images - told < 200) continue
      tell(this.tally.images - told)
      told = this.tally.images
    }
    tell(this.tally.images - told)
  }

  /** Every kind of cut at this moment, each different image once. */
  async #cutNow(moment: string, isSettled: boolean): Promise<void> {
    this.tally.moments++
    const isPending = this.#disk.pendingCount > 0
    // What drops everything changes only when something was synced or promised.
    const wanted = cuts.filter((cut) => (cut === 'drop' ? isSettled : isPending))
    const seen: Image[] = []
    for (const cut of wanted) {
      const image = imageAfter(this.#disk, cut, this.#random)
      if (seen.some((other) => isSame(image, other))) continue
      seen.push(image)
      await this.#judgeImage(image, cut, moment)
    }
  }

  async #judgeImage(image: Image, cut: Cut, moment: string): Promise<void> {
    const { tally } = this
    const random = this.#random
    const isFirst = this.#acknowledged === 0
    const opens = isFirst || random.chance(1 / openedOneIn)
    // The shared memory beside the WAL is no file to rely on: it may be left behind in any state.
    const left = random.chance(0.1) ? new Map(image).set('book.db-shm', garbage(random)) : image
    tally.images++
    const verdicts = [this.#judge.withSqlite(left, this.#acknowledged)]
    if (opens) {
      tally.opened++
      verdicts.push(await this.#judge.withBook(left, this.#acknowledged))
    }
    const [lost, corrupt] = [
      verdicts.flatMap((verdict) => verdict.lost),
      verdicts.flatMap((verdict) => verdict.corrupt),
    ]
    if (lost.length > 0) tally.lost++
    if (corrupt.length > 0) tally.corrupt++
    const where = `${this.#workload.seed}, ${moment}, ${cut}`
    for (const problem of [...lost, ...corrupt])
      if (tally.problems.length < 10) tally.problems.push(`${where}: ${problem}`)
  }
}

function garbage(random: Random): Buffer {
  return Buffer.from(Uint32Array.from({ length: 8_192 }, () => random.next() * 2 ** 32).buffer)
}

function isSame(one: Image, other: Image): boolean {
  if (one.size !== other.size) return false
  return [...one].every(([file, bytes]) => {
    const held = other.get(file)
    return held !== undefined && Buffer.compare(bytes, held) === 0
  })
}
