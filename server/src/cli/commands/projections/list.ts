import type { Command } from 'commander'
import type { FollowerStatus } from 'daybook'
import { defaultCommand, refuseWords } from '../../command-group.ts'
import { statusOf, waitingText } from '../../follower-output.ts'
import { explained } from '../../help.ts'
import { definitionsOf, openToWatch } from '../../opening.ts'
import type { Session, Tools } from '../../session.ts'
import type { Column } from '../../tables.ts'
import { visible } from '../../text.ts'

/** `daybook projections list`: how far each has come. */
export function addList(group: Command, session: Session): void {
  const command = explained(defaultCommand(group, 'list'), {
    summary: 'show how far each projection has come',
    purpose:
      'Lists the projections of the configuration: how many events each is behind the log, and for how long the oldest of these has been waiting. It runs none of them: a projection is behind when the process that runs it is slow, stopped or gone.',
    examples: [
      ['daybook projections', 'all of them'],
      ['daybook projections --json', 'for a program'],
    ],
  })
  command.action(() =>
    session.run((tools) => {
      refuseWords(command)
      return list(tools)
    }),
  )
}

async function list(tools: Tools): Promise<void> {
  const { output } = tools
  const defined = await definitionsOf(tools)
  await using book = await openToWatch({ ...defined, subscriptions: [], reactions: [] })
  const projections = (await book.status()).filter(({ kind }) => kind === 'projection')
  const count = await output.list([projections], columns, jsonOf)
  if (count === 0) await output.note('The configuration has no projections.')
}

const columns: readonly Column<FollowerStatus>[] = [
  { title: 'Projection', text: ({ name }) => visible(name) },
  { title: 'Version', text: ({ version = 1 }) => String(version), isNumber: true },
  { title: 'Mode', text: ({ mode }) => mode },
  { title: 'Status', text: statusOf },
  { title: 'Position', text: ({ position }) => String(position), isNumber: true },
  { title: 'Behind', text: ({ behind }) => String(behind), isNumber: true },
  { title: 'Waiting', text: waitingText, isNumber: true },
]

function jsonOf(status: FollowerStatus): unknown {
  const { name, version, mode, position, behind, behindMs, isChanged } = status
  return { name, version, mode, status: statusOf(status), position, behind, lagMs: behindMs, isChanged }
}
