import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const teller = fileURLToPath(new URL('teller.ts', import.meta.url))

/** A deposit that the book acknowledged before the process died. */
export interface Acknowledged {
  readonly version: number
  readonly eventId: string
}

/** Lets a teller work in a process of its own and kills it, amid its appends, after so many acknowledgements. */
export async function pullThePlug(address: string, accountId: string, afterDeposits: number) {
  // Arguments can be seen by everybody on the machine, and an address may hold a password.
  const env = { ...process.env, BANK_STORE: address }
  const child = spawn(process.execPath, [teller, accountId], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
    // Not at the line's end but as soon as enough was heard: whatever is under way is cut off.
    if (said.split('\n').length > afterDeposits) child.kill('SIGKILL')
  })
  const [, signal] = await once(child, 'close')
  const acknowledged = said
    .split('\n')
    .slice(0, -1)
    .map((line): Acknowledged => {
      const [version, eventId = ''] = line.split(' ')
      return { version: Number(version), eventId }
    })
  return { acknowledged, signal: String(signal) }
}
