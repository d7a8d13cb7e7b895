import type { Command } from 'commander'
import { addGroup } from '../command-group.ts'
import type { Session } from '../session.ts'
import { addList } from './subscriptions/list.ts'
import { addPause, addResume } from './subscriptions/pause.ts'
import { addShow } from './subscriptions/show.ts'

/** `daybook subscriptions`: what follows the book and acts on it. */
export function addSubscriptions(program: Command, session: Session): void {
  addGroup(
    program,
    session,
    'subscriptions',
    {
      summary: 'show subscriptions, reactions and processes, and pause them',
      purpose:
        'Shows where the subscriptions, reactions and process managers of the configuration stand, who runs each, and why one does not get on; pauses them in every process, and lets them go on. Without a command it lists them. None is ever run by a command.',
      examples: [
        ['daybook subscriptions', 'how far each has come'],
        ['daybook subscriptions show search', 'one of them, shard by shard'],
        ['daybook subscriptions pause search', 'stop it in every process'],
      ],
    },
    [addList, addShow, addPause, addResume],
  )
}
