import type { Command } from 'commander'
import { addGroup } from '../command-group.ts'
import type { Session } from '../session.ts'
import { addCompare } from './projections/compare.ts'
import { addCancel, addPause, addResume } from './projections/filling.ts'
import { addList } from './projections/list.ts'
import { addSwap, addUndo } from './projections/places.ts'
import { addRebuild } from './projections/rebuild.ts'
import { addShow } from './projections/show.ts'

/** `daybook projections`: where they stand, and their rebuilds. */
export function addProjections(program: Command, session: Session): void {
  addGroup(
    program,
    session,
    'projections',
    {
      summary: 'show how far each projection has come, and rebuild them',
      purpose:
        'Shows where the projections stand, and rebuilds their read models without downtime: a new copy is filled beside the one that serves, is compared with it, and takes its place; the one before is kept to go back to. Without a command it lists them. No command but rebuild, swap and undo folds anything, and these only the projection they are given.',
      examples: [
        ['daybook projections', 'how far each has come'],
        ['daybook projections rebuild balances --swap manual', 'fill a new copy, and let it wait'],
        ['daybook projections compare balances', 'what would change'],
        ['daybook projections swap balances', 'let it serve'],
        ['daybook projections undo balances', 'go back'],
      ],
    },
    [addList, addShow, addRebuild, addCompare, addSwap, addUndo, addPause, addResume, addCancel],
  )
}
