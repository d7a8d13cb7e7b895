import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { BookOptions } from 'daybook'
import { CommandFailure } from './failures.ts'

/** The names a configuration may have, the first found in a folder counts. */
export const configNames: readonly string[] = ['daybook.config.ts', 'daybook.config.js', 'daybook.config.mjs']

/** The configuration in a folder or the nearest one above it. */
export function findConfig(folder: string): string | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const found = configNames.map((name) => join(at, name)).find((path) => existsSync(path))
    if (found !== undefined) return found
    if (dirname(at) === at) return undefined
  }
}

/** Loads a configuration; throws `CONFIG_INVALID` saying what is wrong, where, and what to do. */
export async function loadConfig(path: string): Promise<BookOptions> {
  const shown = shownPath(path)
  if (!existsSync(path))
    throw invalid(shown, `${shown} does not exist`, 'Check the path given with --config.')
  if (!statSync(path).isFile())
    throw invalid(shown, `${shown} is a folder`, 'Name the configuration file itself with --config.')
  let loaded: { readonly [name: string]: unknown }
  try {
    loaded = (await import(pathToFileURL(path).href)) as typeof loaded
  } catch (cause) {
    throw notLoaded(path, cause)
  }
  const problem = problemOf(loaded)
  if (problem === undefined) return loaded.default as BookOptions
  throw invalid(
    shown,
    `${shown} ${problem}`,
    'Export the book as default: export default defineBook({ store: sqlite("book.db"), deciders: [...] }).',
  )
}

/** What is wrong with what a configuration exports; undefined when it is what `defineBook` makes. */
function problemOf(loaded: { readonly [name: string]: unknown }): string | undefined {
  if (!('default' in loaded)) {
    const named = Object.keys(loaded)
    return `has no default export${named.length === 0 ? '' : `; it exports ${named.join(', ')}`}`
  }
  const book = loaded.default
  if (book instanceof Promise) return 'exports a promise by default; leave openBook to those who use the book'
  if (typeof book !== 'object' || book === null) return `exports ${kindOf(book)} by default, not a book`
  if ('readStream' in book) return 'exports an open book by default; export defineBook({...}) instead'
  const { store } = book as { readonly store?: unknown }
  if (typeof store !== 'object' || store === null || !('open' in store) || !('name' in store))
    return 'exports something without a store by default, which defineBook did not make'
  for (const list of [
    'deciders',
    'projections',
    'sqlProjections',
    'reactions',
    'subscriptions',
    'processes',
  ]) {
    const members = (book as { readonly [list: string]: unknown })[list]
    if (members === undefined) continue
    if (!Array.isArray(members)) return `has ${list} that are ${kindOf(members)}, not an array`
    const odd = members.findIndex((member) => typeof member?.definition !== 'object')
    if (odd >= 0) return `has ${kindOf(members[odd])} in ${list}[${odd}]`
  }
  return undefined
}

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value)
  if (Array.isArray(value)) return 'an array'
  return `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`
}

function notLoaded(path: string, cause: unknown): CommandFailure {
  const shown = shownPath(path)
  const message = cause instanceof Error ? cause.message : String(cause)
  const place = placeOf(cause) ?? placeOfSyntaxError(path, cause)
  const at = place === undefined ? '' : `\n  at ${place}`
  const text = `${shown} does not load: ${message.replaceAll(`${process.cwd()}/`, '')}${at}`
  return invalid(shown, text, hintFor(cause, message), { cause: message, at: place }, cause)
}

function hintFor(cause: unknown, message: string): string {
  const packageName = /^Cannot find package '([^']+)'/.exec(message)?.[1]
  if (packageName !== undefined) return `Install it beside the configuration: npm install ${packageName}`
  if (message.startsWith('Cannot find module'))
    return 'Correct the import; a path needs its ending, ./account.ts.'
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX')
    return 'Node strips types and compiles nothing: use no enum, namespace or parameter property.'
  return 'Correct the code at that place; `node` on the file alone shows the same error.'
}

/** `account.ts:12:5` of the first place in the error's stack that is somebody's code. */
function placeOf(cause: unknown): string | undefined {
  const stack = cause instanceof Error ? (cause.stack ?? '') : ''
  const places = stack.matchAll(
    /(?<=^|[\s(])(file:\/\/\/?|(?=\/|[A-Za-z]:[\\/]))([^\s()]+?):(\d+)(?::(\d+))?(?=[\s)]|$)/gm,
  )
  for (const [, scheme = '', file = '', line, column] of places) {
    if (file.includes('node_modules')) continue
    const path = scheme === '' ? file : fileURLToPath(`${scheme}${file}`)
    return [shownPath(path), line, column].filter((part) => part !== undefined).join(':')
  }
  return undefined
}

/** Where a syntax error of plain JavaScript is: Node tells only when it checks the file by itself. */
function placeOfSyntaxError(path: string, cause: unknown): string | undefined {
  if (!(cause instanceof SyntaxError)) return undefined
  const { stderr } = spawnSync(process.execPath, ['--check', path], { encoding: 'utf8' })
  const [first = ''] = stderr.split('\n')
  const line = /^(?:file:\/\/)?\/.*:(\d+)$/.exec(first)?.[1]
  return line === undefined ? undefined : `${shownPath(path)}:${line}`
}

/** A path as a person in the current folder would write it. */
export function shownPath(path: string): string {
  const short = relative(process.cwd(), path)
  return short === '' || short.startsWith('..') ? path : short
}

function invalid(
  file: string,
  message: string,
  hint: string,
  facts: { readonly [fact: string]: unknown } = {},
  cause?: unknown,
): CommandFailure {
  return new CommandFailure({ code: 'CONFIG_INVALID', message, hint, facts: { file, ...facts } }, cause)
}
