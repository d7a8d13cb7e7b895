/** A disk with a write cache: what was synced is there for ever, of the rest any part may be there after a power cut. */
import type { Deed } from './trace.ts'

type Change =
  | { readonly kind: 'write'; readonly deed: number; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly deed: number; readonly size: number }

/** A file by its contents; its name is the folder's business. */
export interface Inode {
  readonly number: number
  /** As of the last sync. */
  durable: Buffer
  /** Since then, in order. */
  pending: Change[]
}

type EntryChange = {
  readonly deed: number
  readonly file: string
  /** Undefined: removed. */
  readonly inode: Inode | undefined
}

/** Plays deeds, and keeps apart what is durable from what is only cached. */
export class Disk {
  /** The entries of the folder as programs see them. */
  readonly #entries = new Map<string, Inode>()
  readonly durableEntries = new Map<string, Inode>()
  pendingEntries: EntryChange[] = []
  #inodes = 0

  /** Plays the deed with this number. Returns false when nothing changed. */
  play(deed: Deed, number: number): boolean {
    switch (deed.kind) {
      case 'create':
        return this.#create(deed.file, number)
      case 'unlink':
        this.#entries.delete(deed.file)
        this.pendingEntries.push({ deed: number, file: deed.file, inode: undefined })
        return true
      case 'write':
        this.#inode(deed.file).pending.push({ ...deed, deed: number })
        return true
      case 'truncate':
        this.#inode(deed.file).pending.push({ ...deed, deed: number })
        return true
      case 'sync':
        if (deed.file === undefined) this.#syncFolder(deed.deedsBefore)
        else this.#syncFile(this.#inode(deed.file), deed.deedsBefore)
        return true
      default:
        return false
    }
  }

  /** How many changes a power cut could take away now. */
  get pendingCount(): number {
    const inodes = new Set([...this.durableEntries.values(), ...this.#entries.values()])
    return [...inodes].reduce((sum, { pending }) => sum + pending.length, this.pendingEntries.length)
  }

  #create(file: string, number: number): boolean {
    if (this.#entries.has(file)) return false
    const inode: Inode = { number: this.#inodes++, durable: Buffer.alloc(0), pending: [] }
    this.#entries.set(file, inode)
    this.pendingEntries.push({ deed: number, file, inode })
    return true
  }

  #inode(file: string): Inode {
    const inode = this.#entries.get(file)
    if (inode === undefined) throw new Error(`the trace writes to ${file}, which was never created`)
    return inode
  }

  #syncFile(inode: Inode, deedsBefore: number): void {
    const covered = inode.pending.filter(({ deed }) => deed < deedsBefore)
    inode.durable = changed(inode.durable, covered)
    inode.pending = inode.pending.filter(({ deed }) => deed >= deedsBefore)
  }

  #syncFolder(deedsBefore: number): void {
    for (const { file, inode, deed } of this.pendingEntries) {
      if (deed >= deedsBefore) continue
      if (inode === undefined) this.durableEntries.delete(file)
      else this.durableEntries.set(file, inode)
    }
    this.pendingEntries = this.pendingEntries.filter(({ deed }) => deed >= deedsBefore)
  }
}

/** A change as it reached the disk: whole, or in some of its sectors only. */
export type Kept = Change | { readonly kind: 'zeros'; readonly size: number }

/** Contents after some changes, in this order. Bytes between the end and a later write are zero. */
export function changed(durable: Buffer, changes: readonly Kept[]): Buffer {
  let size = durable.length
  let capacity = size
  for (const change of changes) {
    const end = change.kind === 'write' ? change.offset + change.bytes.length : change.size
    capacity = Math.max(capacity, end)
  }
  const bytes = Buffer.alloc(capacity)
  durable.copy(bytes)
  for (const change of changes) {
    if (change.kind === 'write') {
      change.bytes.copy(bytes, change.offset)
      size = Math.max(size, change.offset + change.bytes.length)
    } else if (change.kind === 'zeros') size = Math.max(size, change.size)
    else {
      if (change.size < size) bytes.fill(0, change.size, size)
      size = change.size
    }
  }
  return bytes.subarray(0, size)
}
