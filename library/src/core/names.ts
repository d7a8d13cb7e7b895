import { DaybookError } from './errors.ts'
import { maxNameBytes, printable } from './limits.ts'

// Control characters make names that look alike and break line-based tools; NUL ends a name in C.
const controlCharacter = /[\u0000-\u001f\u007f]/
const asciiOnly = /^[\u0020-\u007e]*$/

/** Returns a legal name; throws `ILLEGAL_NAME`, saying which name, what is wrong and where. */
export function legalName(kind: string, name: unknown): string {
  if (typeof name !== 'string') throw illegal(kind, name, 'is not a string')
  if (name.length === 0) throw illegal(kind, name, 'is empty')
  if (asciiOnly.test(name)) {
    if (name.length > maxNameBytes)
      throw illegal(kind, name, `has ${name.length} bytes, the limit is ${maxNameBytes}`)
    return name
  }
  if (!name.isWellFormed()) throw illegal(kind, name, 'has a lone surrogate: it is not well-formed Unicode')
  const control = controlCharacter.exec(name)
  if (control) throw illegal(kind, name, `has a control character at index ${control.index}`)
  const bytes = utf8Length(name)
  if (bytes > maxNameBytes)
    throw illegal(kind, name, `has ${bytes} bytes in UTF-8, the limit is ${maxNameBytes}`)
  return name
}

/** Returns a legal stream name: `category-id`, both parts non-empty, the category without a hyphen. */
export function legalStream(stream: unknown): string {
  const name = legalName('stream', stream)
  const hyphen = name.indexOf('-')
  if (hyphen < 1 || hyphen === name.length - 1) {
    throw illegal('stream', name, 'is not of the form category-id')
  }
  return name
}

/** Returns a legal category: a name without a hyphen. */
export function legalCategory(category: unknown): string {
  const name = legalName('category', category)
  if (name.includes('-'))
    throw illegal('category', name, 'contains a hyphen, which separates category and id')
  return name
}

/** Streams whose category begins with this are those of process managers. */
export const processPrefix = 'process:'

/** Returns a legal category for streams of an application: not one of Daybook's own. */
export function ownCategory(category: unknown): string {
  const name = legalCategory(category)
  if (name.startsWith(processPrefix)) throw reserved('category', name)
  return name
}

/** Returns a legal stream that an application may append to: not one of Daybook's own. */
export function ownStream(stream: unknown): string {
  const name = legalStream(stream)
  if (name.startsWith(processPrefix)) throw reserved('stream', name)
  return name
}

/** `account` of `account-42`. */
export function categoryOf(stream: string): string {
  return stream.slice(0, stream.indexOf('-'))
}

/** `42` of `account-42`; an id may itself contain hyphens. */
export function streamIdOf(stream: string): string {
  return stream.slice(stream.indexOf('-') + 1)
}

/** The stream of one subject: `account`, `42` → `account-42`. Throws `ILLEGAL_NAME`. */
export function streamName(category: string, id: string): string {
  if (typeof id !== 'string') throw illegal('id', id, 'is not a string')
  return legalStream(`${category}-${id}`)
}

/** Bytes of a well-formed string in UTF-8; a lone surrogate counts three, as its replacement does. */
export function utf8Length(text: string): number {
  let bytes = text.length
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit < 0x80) continue
    if (unit < 0x800) bytes += 1
    else if (unit >= 0xd800 && unit < 0xdc00 && isLowSurrogate(text.charCodeAt(index + 1))) {
      bytes += 2
      index++
    } else bytes += 2
  }
  return bytes
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000
}

function reserved(kind: string, name: string): DaybookError {
  return illegal(
    kind,
    name,
    `begins with ${processPrefix}, which is kept for the streams of process managers`,
  )
}

function illegal(kind: string, name: unknown, problem: string): DaybookError {
  return new DaybookError('ILLEGAL_NAME', `${kind} ${printable(name)} ${problem}`, { kind, name, problem })
}
