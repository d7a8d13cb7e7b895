import type { Command } from 'commander'
import { addGroup } from '../command-group.ts'
import type { Session } from '../session.ts'
import { addList } from './pending/list.ts'
import { addShow } from './pending/show.ts'

/** `daybook pending`: what process managers wait for. */
export function addPending(program: Command, session: Session): void {
  addGroup(
    program,
    session,
    'pending',
    {
      summary: 'show which processes are not finished, and what they wait for',
      purpose:
        'Shows the instances of process managers that are not finished: since when each runs, the deadlines and commands it waits for, and whether it is overdue; or one instance, with its state and everything that happened to it. Without a command it lists them. It runs none of them.',
      examples: [
        ['daybook pending', 'all of them, the oldest first'],
        ['daybook pending --older-than 24h', 'those that began more than a day ago'],
        ['daybook pending show settlement 7', 'one of them'],
      ],
    },
    [addList, addShow],
  )
}
