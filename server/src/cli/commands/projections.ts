import type { Command } from 'commander'
import type { Book, FollowerStatus } from 'daybook'
import { explained } from '../help.ts'
import { definitionsOf, openForStatus } from '../opening.ts'
import type { Session, Tools } from '../session.ts'
import type { Column } from '../tables.ts'
import { durationText, visible } from '../text.ts'

/** Where a projection stands, and for how long its oldest event has been waiting. */
interface Standing extends FollowerStatus {
  readonly lagMs: number
}

/** `daybook projections`: how far each projection has come. */
export function addProjections(program: Command, session: Session): void {
  explained(program.command('projections'), {
    summary: 'show how far each projection has come',
    purpose:
      'Lists the projections of the configuration: how many events each is behind the log, and for how long the oldest of these has been waiting. It runs none of them: a projection is behind when the process that runs it is slow, stopped or gone.',
    examples: [
      ['daybook projections', 'all of them'],
      ['daybook projections --json', 'for a program'],
    ],
  }).action(() => session.run(projections))
}

async function projections(tools: Tools): Promise<void> {
  const { output } = tools
  const defined = await definitionsOf(tools)
  await using book = await openForStatus(defined)
  const standings = await Promise.all((await book.status()).map((status) => standing(book, status)))
  const count = await output.list([standings], columns, jsonOf)
  if (count === 0) await output.note('The configuration has no projections.')
}

async function standing(book: Book, status: FollowerStatus): Promise<Standing> {
  const next =
    status.behind === 0 ? [] : await book.readLog({ afterPosition: status.position, limit: 1 }).toArray()
  const [oldest] = next
  return {
    ...status,
    lagMs: oldest === undefined ? 0 : Math.max(0, Date.now() - Date.parse(oldest.recordedAt)),
  }
}

const columns: readonly Column<Standing>[] = [
  { title: 'Projection', text: ({ name }) => visible(name) },
  { title: 'Version', text: ({ version = 1 }) => String(version), isNumber: true },
  { title: 'Mode', text: ({ mode }) => mode },
  { title: 'Status', text: statusOf },
  { title: 'Position', text: ({ position }) => String(position), isNumber: true },
  { title: 'Behind', text: ({ behind }) => String(behind), isNumber: true },
  { title: 'Waiting', text: ({ lagMs }) => (lagMs === 0 ? '' : durationText(lagMs)), isNumber: true },
]

function statusOf({ isChanged, position, behind }: FollowerStatus): string {
  // At position 0 nothing is stored that could be of other code.
  if (isChanged && position > 0) return 'changed'
  return behind === 0 ? 'current' : 'behind'
}

function jsonOf(standing: Standing): unknown {
  const { name, version, mode, position, behind, lagMs, isChanged } = standing
  return { name, version, mode, status: statusOf(standing), position, behind, lagMs, isChanged }
}
