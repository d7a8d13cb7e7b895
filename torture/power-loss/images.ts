/** What may be left of a disk by a power cut at one moment: of everything unsynced some part, torn, in any order. */
import type { Random } from '../random.ts'
import { changed, type Disk, type Inode, type Kept } from './disk.ts'

/** How a power cut treats unsynced writes. */
export const cuts = [
  'drop',
  'keep',
  'prefix',
  'some',
  'torn',
  'one lost',
  'one kept',
  'sizes only',
  'last torn',
] as const
export type Cut = (typeof cuts)[number]

/** The files of one image; a file that is not there is left out. */
export type Image = ReadonlyMap<string, Buffer>

const sectorBytes = 512

/** One image: the cut says how, chance says which. */
export function imageAfter(disk: Disk, cut: Cut, random: Random): Image {
  const entries = new Map(disk.durableEntries)
  for (const { file, inode } of keptEntries(disk, cut, random)) {
    if (inode === undefined) entries.delete(file)
    else entries.set(file, inode)
  }
  return new Map([...entries].map(([file, inode]) => [file, contents(inode, cut, random)]))
}

/** Entries of a folder come and go in any order, too, unless all are kept or dropped. */
function keptEntries(disk: Disk, cut: Cut, random: Random): Disk['pendingEntries'] {
  const { pendingEntries } = disk
  if (cut === 'drop') return []
  if (cut === 'keep' || random.chance(0.5)) return pendingEntries
  if (random.chance(0.5)) return pendingEntries.slice(0, random.integer(0, pendingEntries.length))
  return pendingEntries.filter(() => random.chance(0.5))
}

function contents(inode: Inode, cut: Cut, random: Random): Buffer {
  const { durable, pending } = inode
  if (pending.length === 0) return durable
  return changed(durable, keptChanges(pending, cut, random))
}

function keptChanges(pending: Inode['pending'], cut: Cut, random: Random): readonly Kept[] {
  const chosen = random.integer(0, pending.length - 1)
  switch (cut) {
    case 'drop':
      return []
    case 'keep':
      return pending
    case 'prefix':
      return [...pending.slice(0, chosen), ...torn(pending.slice(chosen, chosen + 1), random)]
    case 'some':
      return random.shuffled(pending.filter(() => random.chance(0.5)))
    case 'torn':
      return random.shuffled(torn(pending, random))
    case 'one lost':
      return pending.filter((_, index) => index !== chosen)
    case 'one kept':
      return pending.slice(chosen, chosen + 1)
    case 'sizes only':
      return pending.map((change) =>
        change.kind === 'write' ? { kind: 'zeros', size: change.offset + change.bytes.length } : change,
      )
    default:
      return [...pending.slice(0, -1), ...torn(pending.slice(-1), random)]
  }
}

/** Of each write only some sectors, as the disk counts them: from the start of the file. */
function torn(changes: Inode['pending'], random: Random): Kept[] {
  return changes.flatMap((change): Kept[] => {
    if (change.kind !== 'write') return random.chance(0.5) ? [change] : []
    const { offset, bytes } = change
    const parts: Kept[] = []
    for (let start = 0; start < bytes.length; ) {
      const end = Math.min(bytes.length, start + sectorBytes - ((offset + start) % sectorBytes))
      if (random.chance(0.5))
        parts.push({ ...change, offset: offset + start, bytes: bytes.subarray(start, end) })
      start = end
    }
    return parts
  })
}
