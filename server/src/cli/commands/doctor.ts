import { type Command, Option } from 'commander'
import { checkProjection } from '../diagnosis/check-projection.ts'
import { checkLog, checkStore } from '../diagnosis/check-store.ts'
import type { Finding } from '../diagnosis/finding.ts'
import { exitCodes } from '../failures.ts'
import { explained } from '../help.ts'
import { definitionsOf } from '../opening.ts'
import type { Output } from '../output.ts'
import type { Session, Tools } from '../session.ts'
import { counted, countText, visible } from '../text.ts'
import { seconds } from '../values.ts'

interface DoctorOptions {
  readonly timeout: number
}

/** `daybook doctor`: what is wrong with a book, and what to do. */
export function addDoctor(program: Command, session: Session): void {
  const command = explained(program.command('doctor'), {
    summary: 'check a book, and say what to do',
    purpose:
      'Reports the settings of the store, recomputes the whole log (positions, versions, times, hash chain) and checks the projections. A projection that is behind is run for a while, to tell a slow one from one that has stopped. With --store and no --config it looks at the store alone, and changes nothing in it. A book on PostgreSQL is also opened as an application would open it, and its server is asked for locks, transactions left open and what was altered. Every finding has a code and says what to do; the exit code is 1 when there is a problem.',
    examples: [
      ['daybook doctor', 'check the book of the configuration'],
      ['daybook doctor --store sqlite:backup.db', 'check any store, a backup say'],
      ['daybook doctor --store postgres://localhost/bank', 'whether an application could work with it'],
      ['daybook doctor --json', 'for a program'],
    ],
  })
  command
    .addOption(
      new Option('--timeout <seconds>', 'run a projection that is behind for at most so long')
        .argParser(seconds)
        .default(10_000, '10'),
    )
    .action(() => session.run((tools) => doctor(tools, command.opts<DoctorOptions>())))
}

async function doctor(tools: Tools, { timeout }: DoctorOptions): Promise<number | undefined> {
  const { output } = tools
  const defined = await definitionsOf(tools, 'store')
  const { facts, findings: ofStore } = await checkStore(tools, defined)
  await writeFacts(output, { ...facts, store: defined.store.name })
  const findings: Finding[] = []
  const tell = async (found: readonly (Finding | undefined)[]): Promise<void> => {
    for (const finding of found) {
      if (finding === undefined) continue
      findings.push(finding)
      await writeFinding(output, finding)
    }
  }
  await tell(ofStore)
  // What cannot be opened cannot be looked into.
  const isOpen = Object.keys(facts).length > 0
  const { verified, finding } = isOpen ? await checkLog(tools) : { verified: 0, finding: undefined }
  await tell([finding])
  const projections = isOpen ? (defined.projections ?? []) : []
  for (const projection of projections)
    await tell([await checkProjection(tools, defined, projection, timeout)])
  const problems = findings.filter(({ level }) => level === 'problem').length
  await writeSummary(output, { problems, verified, projections: projections.length, isOpen })
  return problems === 0 ? undefined : exitCodes.error[0]
}

async function writeFacts(output: Output, facts: { readonly [name: string]: unknown }): Promise<void> {
  if (output.form === 'json') return output.object({ kind: 'store', ...facts })
  const entries = Object.entries(facts).map(([name, value]): [string, string] => {
    return [
      wordsOf(name),
      visible(typeof value === 'number' && output.form === 'table' ? countText(value) : String(value)),
    ]
  })
  await output.sheet(entries)
  await output.flush()
}

/** `journalMode` as `journal mode`, `isDurable` as `durable`. */
function wordsOf(name: string): string {
  return name
    .replace(/^is(?=[A-Z])/, '')
    .replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    .trim()
}

async function writeFinding(output: Output, finding: Finding): Promise<void> {
  const { level, code, message, hint } = finding
  if (output.form === 'json') return output.object({ kind: 'finding', ...finding })
  if (output.form === 'lines') return output.line([level, code, visible(message), visible(hint)].join('\t'))
  const head = output.paint(level === 'problem' ? 'red' : 'yellow', `${level} ${code}`)
  await output.line(`\n${head}\n  ${visible(message)}\n  ${output.paint('dim', visible(hint))}`)
  await output.flush()
}

interface Summary {
  readonly problems: number
  readonly verified: number
  readonly projections: number
  readonly isOpen: boolean
}

async function writeSummary(
  output: Output,
  { problems, verified, projections, isOpen }: Summary,
): Promise<void> {
  if (output.form === 'json') return output.object({ kind: 'summary', problems, verified })
  if (output.form === 'lines') return output.line(`summary\t${problems}\t${verified}`)
  const looked = isOpen
    ? `${counted(verified, 'event')} verified, ${counted(projections, 'projection')} looked at`
    : 'the store could not be opened'
  const verdict =
    problems === 0 ? output.paint('green', 'No problems') : output.paint('red', counted(problems, 'problem'))
  await output.line(`\n${verdict}: ${looked}.`)
}
