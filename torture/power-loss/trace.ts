/** Reads what strace wrote down, and makes of it what was done to the files of one folder, in order. */
import { basename, dirname } from 'node:path'
import type { Message } from '../child.ts'

/** Something that was done to the folder, or said to the world in between. Files are known by their base names. */
export type Deed =
  | { readonly kind: 'create'; readonly file: string }
  | { readonly kind: 'write'; readonly file: string; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly file: string; readonly size: number }
  | { readonly kind: 'unlink'; readonly file: string }
  /** Makes durable what was done to the file (or, without one, to the folder's entries) before the call began. */
  | { readonly kind: 'sync'; readonly file: string | undefined; readonly deedsBefore: number }
  | { readonly kind: 'say'; readonly message: Message }

/** What strace must be told; the file's path and the program follow. */
export const straceOptions: readonly string[] = [
  '-f',
  '--seccomp-bpf',
  '-y',
  '-xx',
  '-s',
  '4000000',
  '-e',
  'signal=none',
  '-e',
  'trace=openat,open,creat,pwrite64,write,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,fsync,fdatasync,sync_file_range,unlink,unlinkat,rename,renameat,renameat2,link,linkat,copy_file_range,sendfile',
]

/** Of a line: the process, the call's name, everything in its parentheses, what it returned. */
interface SystemCall {
  readonly name: string
  readonly text: string
  readonly returned: number
  readonly deedsBefore: number
}

/** The deeds of a trace, appended to `deeds`. `folder` as the traced program saw it; throws at what it cannot read. */
export function readTrace(trace: string, folder: string, deeds: Deed[]): void {
  const unfinished = new Map<string, { text: string; deedsBefore: number }>()
  for (const line of trace.split('\n')) {
    const space = line.indexOf(' ')
    if (space < 0) continue
    const process = line.slice(0, space)
    let text = line.slice(space + 1).trimStart()
    let deedsBefore = deeds.length
    if (text.endsWith('<unfinished ...>')) {
      unfinished.set(process, { text: text.slice(0, -'<unfinished ...>'.length), deedsBefore })
      continue
    }
    const resumed = /^<\.\.\. \w+ resumed>/.exec(text)
    if (resumed !== null) {
      const begun = unfinished.get(process)
      if (begun === undefined) continue
      unfinished.delete(process)
      text = begun.text + text.slice(resumed[0].length)
      deedsBefore = begun.deedsBefore
    }
    const call = systemCall(text, deedsBefore)
    if (call === undefined) continue
    const deed = deedOf(call, folder)
    if (deed !== undefined) deeds.push(deed)
  }
}

function systemCall(text: string, deedsBefore: number): SystemCall | undefined {
  const open = text.indexOf('(')
  const equals = text.lastIndexOf(' = ')
  if (open <= 0 || equals < 0) return undefined
  const returned = Number.parseInt(text.slice(equals + 3), 10)
  if (Number.isNaN(returned) || returned < 0) return undefined
  const inner = text
    .slice(open + 1, equals)
    .trimEnd()
    .replace(/\)$/, '')
  return { name: text.slice(0, open), text: inner, returned, deedsBefore }
}

function deedOf(call: SystemCall, folder: string): Deed | undefined {
  const { name, text, deedsBefore } = call
  if (name === 'write') return saying(text)
  if (name === 'openat' || name === 'open' || name === 'creat') return creation(name, text, folder)
  if (name === 'unlink' || name === 'unlinkat') {
    const file = inFolder(lastString(text), folder)
    return file === undefined ? undefined : { kind: 'unlink', file }
  }
  const [, path] = /^\d+<([^>]*)>/.exec(text) ?? []
  if (path === undefined) return refuseIfOurs(call, folder)
  const full = unescaped(path).toString()
  if (name === 'fsync' || name === 'fdatasync') {
    if (full === folder) return { kind: 'sync', file: undefined, deedsBefore }
    const file = inFolder(full, folder)
    return file === undefined ? undefined : { kind: 'sync', file, deedsBefore }
  }
  const file = inFolder(full, folder)
  if (file === undefined) return undefined
  const numbers = text
    .slice(text.lastIndexOf('"') + 1)
    .split(',')
    .map((part) => Number(part))
  if (name === 'pwrite64') {
    const [bytes, offset] = [unescaped(quoted(text)).subarray(0, call.returned), numbers.at(-1) ?? Number.NaN]
    if (bytes.length !== call.returned || Number.isNaN(offset)) throw unread(call)
    return { kind: 'write', file, offset, bytes }
  }
  if (name === 'ftruncate') return { kind: 'truncate', file, size: numbers.at(-1) ?? 0 }
  throw unread(call)
}

/** A call that could change our files in a way that is not understood would make the images worthless. */
function refuseIfOurs(call: SystemCall, folder: string): undefined {
  if (unescaped(call.text).includes(folder)) throw unread(call)
}

function unread({ name, text }: SystemCall): Error {
  return new Error(`the trace has a call that is not understood: ${name}(${text.slice(0, 200)}`)
}

/** Messages are whole lines of JSON on the standard output. */
function saying(text: string): Deed | undefined {
  if (!text.startsWith('1<')) return undefined
  const said = unescaped(quoted(text)).toString()
  return said.startsWith('{') ? { kind: 'say', message: JSON.parse(said) as Message } : undefined
}

function creation(name: string, text: string, folder: string): Deed | undefined {
  const file = inFolder(lastString(text), folder)
  if (file === undefined) return undefined
  if (text.includes('O_TRUNC') || name === 'creat')
    throw new Error('the trace truncates a file by opening it')
  return text.includes('O_CREAT') ? { kind: 'create', file } : undefined
}

/** The base name of a file that counts; the shared memory beside a WAL is rebuilt after every crash. */
function inFolder(path: string, folder: string): string | undefined {
  if (dirname(path) !== folder || path.endsWith('-shm')) return undefined
  return basename(path)
}

function quoted(text: string): string {
  return text.slice(text.indexOf('"') + 1, text.lastIndexOf('"'))
}

function lastString(text: string): string {
  return unescaped(/"([^"]*)"[^"]*$/.exec(text)?.[1] ?? '').toString()
}

/** `\x2f\x61` as bytes. */
function unescaped(text: string): Buffer {
  return Buffer.from(text.replaceAll('\\x', ''), 'hex')
}
