/**
 * A disk whose power can be cut. It is a file; on it lies an ext4, mounted through a loop device. The file itself lies
 * on an XFS that shares blocks between files, so that a copy of it at one instant takes milliseconds, however large it is.
 *
 * What such a copy holds is what was sent to the block device. What ext4 still kept in memory, because nobody flushed it,
 * is not in it: that is lost, as it is when the power goes. A write that the device has completed counts as kept; caches
 * within the disk are not modelled (T2 does that, by system calls).
 */
import { spawnSync } from 'node:child_process'
import { constants, copyFileSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const hostBytes = 8 * 2 ** 30
const diskBytes = 1 * 2 ** 30

/** Why this machine can mount no disks of ours, in its own words. */
export class CannotMount extends Error {}

export class CuttableDisk {
  /** Where the file system is that the power is cut of. */
  readonly mountPoint: string
  readonly #host: string
  readonly #hostFile: string
  #image: string
  #copies = 0
  readonly #mounted: string[] = []

  /** Makes the disk in an empty folder; throws `CannotMount`. Nothing is left mounted then. */
  constructor(folder: string) {
    this.#hostFile = join(folder, 'host.img')
    this.#host = join(folder, 'host')
    this.mountPoint = join(folder, 'disk')
    this.#image = join(this.#host, 'disk.0')
    try {
      makeFile(this.#hostFile, hostBytes)
      demand('mkfs.xfs', '-q', '-m', 'reflink=1', this.#hostFile)
      this.#mount(this.#hostFile, this.#host, 'xfs')
      makeFile(this.#image, diskBytes)
      demand('mkfs.ext4', '-q', '-F', '-m', '0', this.#image)
      this.#mount(this.#image, this.mountPoint, 'ext4')
    } catch (error) {
      this.dispose()
      throw error
    }
  }

  /** Everything written so far is on the disk from now on. */
  settle(): void {
    demand('sync', '-f', this.mountPoint)
  }

  /** Cuts the power: keeps what the disk holds at this instant, for `restore`. Returns when that instant is over. */
  cut(): void {
    const copy = join(this.#host, `disk.${this.#copies + 1}`)
    copyFileSync(this.#image, copy, constants.COPYFILE_FICLONE_FORCE)
    this.#copies++
  }

  /** The power is back: the disk is what it was at the cut. Nobody may use a file of it any more. */
  restore(): void {
    this.#unmount(this.mountPoint)
    rmSync(this.#image)
    this.#image = join(this.#host, `disk.${this.#copies}`)
    this.#mount(this.#image, this.mountPoint, 'ext4')
  }

  /** Unmounts and detaches all there is; safe to call twice, and as the process ends. */
  dispose(): void {
    for (const place of [...this.#mounted].reverse()) this.#unmount(place)
    rmSync(this.#hostFile, { force: true })
  }

  #mount(file: string, place: string, type: string): void {
    mkdirSync(place, { recursive: true })
    // Without the page cache of the file below, which would only hold everything twice.
    const device = demand('losetup', '--find', '--show', '--direct-io=on', file)
    try {
      demand('mount', '-t', type, device, place)
      this.#mounted.push(place)
    } finally {
      // A device in use is detached when it is unmounted, whoever does that.
      demand('losetup', '--detach', device)
    }
  }

  #unmount(place: string): void {
    const index = this.#mounted.indexOf(place)
    if (index < 0) return
    // Lazily, when something still uses it that is about to end: nothing may be left mounted.
    if (spawnSync('umount', [place]).status !== 0) spawnSync('umount', ['--lazy', place])
    this.#mounted.splice(index, 1)
  }
}

function makeFile(path: string, bytes: number): void {
  writeFileSync(path, '')
  truncateSync(path, bytes)
}

/** Runs a program and returns what it says; throws `CannotMount` with its complaint. */
function demand(program: string, ...parameters: readonly string[]): string {
  const { error, status, stdout, stderr } = spawnSync(program, parameters, { encoding: 'utf8' })
  if (error !== undefined) throw new CannotMount(`${program} cannot be run: ${error.message}`)
  if (status !== 0) throw new CannotMount(`${program} fails: ${stderr.trim().split('\n')[0] ?? ''}`)
  return stdout.trim()
}
