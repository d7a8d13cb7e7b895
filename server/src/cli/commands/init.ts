import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { configNames, shownPath } from '../config-file.ts'
import { CommandFailure, failureFrom } from '../failures.ts'
import { explained } from '../help.ts'
import { exampleFiles, projectFiles } from '../init-files.ts'
import type { Session, Tools } from '../session.ts'

/** `daybook init`: a configuration and a small example that runs. */
export function addInit(program: Command, session: Session): void {
  explained(program.command('init [folder]'), {
    summary: 'begin with a configuration and a small example',
    purpose:
      'Writes daybook.config.ts and a small example of bank accounts that runs as it is: a decider, a read model, a program. In a folder without package.json it writes that and tsconfig.json too. It overwrites nothing.',
    examples: [
      ['daybook init accounts', 'in a new folder'],
      ['daybook init', 'in this folder'],
    ],
  }).action((folder: string | undefined) => session.run((tools) => init(tools, folder ?? '.')))
}

async function init({ output }: Tools, folder: string): Promise<void> {
  const isNew = !existsSync(join(folder, 'package.json'))
  const files = isNew ? { ...projectFiles, ...exampleFiles } : exampleFiles
  refuseExisting(folder, [...configNames, ...Object.keys(files)])
  try {
    mkdirSync(folder, { recursive: true })
    // wx: never over a file that appeared meanwhile.
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { flag: 'wx' })
  } catch (error) {
    throw new CommandFailure(
      {
        code: 'FILE_FAILED',
        message: `${folder} cannot be written: ${failureFrom(error).message}`,
        hint: 'Check that the folder, or the one it is to be made in, may be written.',
        facts: { folder },
      },
      error,
    )
  }
  const written = Object.keys(files).map((name) => shownPath(join(process.cwd(), folder, name)))
  const next = [
    ...(folder === '.' ? [] : [`cd ${folder}`]),
    isNew ? 'npm install' : 'npm install daybook zod',
    'node example.ts',
    `npx daybook run account 42 withdraw '{"cents":500}' --actor you`,
    'npx daybook history account-42',
    'npx daybook find balances',
  ]
  if (output.form === 'json') return output.object({ written, next })
  for (const name of written) await output.line(`wrote ${name}`)
  if (output.form === 'table') await output.line(`\nNext:\n${next.map((line) => `  ${line}`).join('\n')}`)
  else await output.note(`Next: ${next.join(' && ')}`)
}

function refuseExisting(folder: string, names: readonly string[]): void {
  const existing = [...new Set(names)].filter((name) => existsSync(join(folder, name)))
  if (existing.length === 0) return
  throw new CommandFailure({
    code: 'FILE_EXISTS',
    message: `${existing.map((name) => shownPath(join(process.cwd(), folder, name))).join(', ')} exist${existing.length === 1 ? 's' : ''} already`,
    facts: { existing },
  })
}
