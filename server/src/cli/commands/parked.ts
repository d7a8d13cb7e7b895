import type { Command } from 'commander'
import { addGroup } from '../command-group.ts'
import type { Session } from '../session.ts'
import { addRetry, addSkip } from './parked/decide.ts'
import { addList } from './parked/list.ts'
import { addShow } from './parked/show.ts'

/** `daybook parked`: events that were put aside, and what a person decides about them. */
export function addParked(program: Command, session: Session): void {
  addGroup(
    program,
    session,
    'parked',
    {
      summary: 'show events that could not be handled, and decide about them',
      purpose:
        'Shows the events that subscriptions, reactions, processes and projections have put aside because handling them failed, and takes the decision of a person: try once more, or not at all. Without a command it lists them. Events themselves are never edited. No command handles one: whoever runs the subscription does.',
      examples: [
        ['daybook parked', 'what is aside'],
        ['daybook parked show search 17', 'one event, its error and its attempts'],
        ['daybook parked retry search --all', 'once more, after a repair'],
        [`daybook parked skip search 17 --actor ada --reason 'account was a test'`, 'not at all'],
      ],
    },
    [addList, addShow, addRetry, addSkip],
  )
}
