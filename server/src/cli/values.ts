import { addAbortSignal } from 'node:stream'
import { InvalidArgumentError } from 'commander'
import { usage } from './failures.ts'
import type { Shell } from './shell.ts'

/** Reads an option that is a whole number, `least` or more. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value
    throw new InvalidArgumentError(`It must be a whole number from ${least}.`)
  }
}

/** Reads an option that is a time in seconds; returns milliseconds. */
export function seconds(text: string): number {
  const value = Number(text)
  if (/^\d+(\.\d+)?$/.test(text) && value <= 600) return Math.round(value * 1_000)
  throw new InvalidArgumentError('It must be a number of seconds from 0 to 600.')
}

const unitMs: { readonly [unit: string]: number } = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Reads an option that is a time span, `90s`, `30m`, `24h` or `7d`; returns milliseconds. */
export function durationMs(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  const timeMs = Number(count) * (unitMs[unit] ?? Number.NaN)
  if (count !== '' && Number.isSafeInteger(timeMs)) return timeMs
  throw new InvalidArgumentError('It must be a number and a unit: 90s, 30m, 24h or 7d.')
}

/** Collects an option that may be given several times. */
export function repeatable(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text]
}

const instant = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/

/** Reads an option that is an ISO 8601 date or instant; a bare date is midnight UTC. Returns ms since 1970. */
export function instantMs(text: string): number {
  const timeMs = instant.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(timeMs)) return timeMs
  throw new InvalidArgumentError('It must be an ISO 8601 date or instant, such as 1993-12-31T23:59:59Z.')
}

/** Reads an option that is a position of the log, or an ISO 8601 date or instant, which is returned with its zone. */
export function positionOrInstant(text: string): number | string {
  if (/^\d+$/.test(text)) return wholeNumber(0)(text)
  return new Date(instantMs(text)).toISOString()
}

/** Parses JSON that a person wrote; `what` says where: `data`. */
export function parsedJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    const problem = error instanceof Error ? error.message : ''
    throw usage(
      `${what} is not JSON: ${problem}`,
      `Quote it for the shell: '{"cents":500}'; or give - to read it from standard input.`,
    )
  }
}

/** The JSON in an argument, or on standard input where the argument is `-`; undefined where there is none. */
export async function jsonArgument(shell: Shell, text: string | undefined, what: string): Promise<unknown> {
  if (text === undefined) return undefined
  return parsedJson(text === '-' ? await standardInput(shell) : text, what)
}

/** Everything on standard input, as text. */
async function standardInput({ stdin, signal }: Shell): Promise<string> {
  addAbortSignal(signal, stdin)
  const chunks: Uint8Array[] = []
  for await (const chunk of stdin) chunks.push(chunk as Uint8Array)
  return decodedUtf8(Buffer.concat(chunks), 'standard input')
}

/** Text of bytes; throws where they are no UTF-8, since replacing what cannot be read would change what is recorded. */
export function decodedUtf8(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw usage(`${where} is not UTF-8 text`, 'Convert it first, with iconv say.')
  }
}
