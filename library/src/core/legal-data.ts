import { DaybookError } from './errors.ts'
import { maxDepth, printable } from './limits.ts'

/** A value that JSON holds exactly. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** What one use of legal data sees differently from data and metadata. */
export interface LegalDataRules {
  /**
   * True: for telling values apart, not for storing them. Properties that are undefined or have a symbol for a key are
   * left out instead of refused, and keys are sorted.
   */
  readonly isForComparing?: boolean
  /** True: objects without a prototype are refused, since they come back with one. */
  readonly refusesBareObjects?: boolean
  /**
   * Stops with `LIMIT_EXCEEDED` once the text is surely longer: an object that is referred to many times is written
   * as often, which can be more than there is memory for.
   */
  readonly mostBytes?: number
}

/** The most that any book accepts; states and documents are held to it, too. */
const defaultMostBytes = 64 * 1_048_576

/**
 * Encodes a value as JSON text that parses back to an equal value, or throws `ILLEGAL_DATA` with the path of the
 * first offender: `undefined`, functions, symbols, bigints, `NaN`, infinities, integers beyond ±(2^53−1), class
 * instances (`Date`, `Map` …), sparse arrays, hidden properties, nesting deeper than 128.
 * `-0` is kept (as `-0`), a lone surrogate is kept (as its escape), a `__proto__` key is kept as data. Each property
 * is read once, so what was checked is what is stored.
 */
export function encodeLegalData(value: unknown, root = 'data', rules: LegalDataRules = {}): string {
  return new LegalDataEncoder(root, rules).encode(value, 0)
}

/** As `encodeLegalData`, for the outermost value of events and metadata, which must be a plain object. */
export function encodeLegalObject(value: unknown, root: string, rules: LegalDataRules = {}): string {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new DaybookError('ILLEGAL_DATA', `${root} must be a plain object, not ${printable(value)}`, {
      path: root,
    })
  }
  return encodeLegalData(value, root, rules)
}

// What must be escaped, or might: a surrogate is escaped only when it is alone, which JSON.stringify knows.
const needsEscape = /["\\\u0000-\u001f\ud800-\udfff]/

// For short texts the look is cheaper than the call; long ones are looked at once, by the call.
function encodeText(text: string): string {
  return text.length > 200 || needsEscape.test(text) ? JSON.stringify(text) : `"${text}"`
}

class LegalDataEncoder {
  readonly #path: (string | number)[] = []
  readonly #root: string
  readonly #rules: LegalDataRules
  readonly #mostBytes: number
  /** At least so many bytes are written. */
  #bytes = 0

  constructor(root: string, rules: LegalDataRules) {
    this.#root = root
    this.#rules = rules
    this.#mostBytes = rules.mostBytes ?? defaultMostBytes
  }

  encode(value: unknown, depth: number): string {
    this.#bytes += typeof value === 'string' ? value.length + 2 : 1
    if (this.#bytes > this.#mostBytes) throw this.#tooLong()
    switch (typeof value) {
      case 'string':
        return encodeText(value)
      case 'boolean':
        return value ? 'true' : 'false'
      case 'number':
        return this.#number(value)
      case 'object':
        if (value === null) return 'null'
        if (depth >= maxDepth) throw this.#illegal(`is nested deeper than ${maxDepth} levels`)
        return Array.isArray(value) ? this.#array(value, depth) : this.#object(value, depth)
      case 'bigint':
        throw this.#illegal('is a bigint; write it as a string')
      default:
        throw this.#illegal(value === undefined ? 'is undefined' : `is ${printable(value)}`)
    }
  }

  #number(value: number): string {
    if (Number.isSafeInteger(value)) return Object.is(value, -0) ? '-0' : String(value)
    if (!Number.isFinite(value)) throw this.#illegal(`is ${value}`)
    if (!Number.isInteger(value)) return String(value)
    throw this.#illegal(
      `is ${value}, an integer beyond 2^53−1, which a number cannot hold exactly; write it as a string`,
    )
  }

  #array(array: readonly unknown[], depth: number): string {
    if (Object.getPrototypeOf(array) !== Array.prototype)
      throw this.#illegal('is an instance of a subclass of Array')
    // Covers holes, named properties and symbols at once: a plain array owns its elements and `length`.
    if (Reflect.ownKeys(array).length !== array.length + 1)
      throw this.#illegal('is an array with holes or named properties')
    let text = ''
    for (let index = 0; index < array.length; index++) {
      this.#path.push(index)
      text += (index === 0 ? '[' : ',') + this.encode(array[index], depth + 1)
      this.#path.pop()
    }
    return text === '' ? '[]' : `${text}]`
  }

  #object(object: object, depth: number): string {
    const prototype: unknown = Object.getPrototypeOf(object)
    if (prototype !== Object.prototype && (prototype !== null || this.#rules.refusesBareObjects)) {
      throw this.#illegal(`is ${instanceOf(prototype)}, not a plain object`)
    }
    const { isForComparing = false } = this.#rules
    const keys = Object.keys(object)
    const owned = isForComparing ? Object.getOwnPropertyNames(object) : Reflect.ownKeys(object)
    if (owned.length !== keys.length) throw this.#illegal('has hidden or symbol properties')
    if (isForComparing) keys.sort()
    let text = ''
    for (const key of keys) {
      const value = (object as { readonly [key: string]: unknown })[key]
      if (isForComparing && value === undefined) continue
      this.#path.push(key)
      text += `${(text === '' ? '{' : ',') + encodeText(key)}:${this.encode(value, depth + 1)}`
      this.#path.pop()
    }
    return text === '' ? '{}' : `${text}}`
  }

  #tooLong(): DaybookError {
    const most = this.#mostBytes
    return new DaybookError('LIMIT_EXCEEDED', `${this.#root} has more than ${most} bytes, the limit`, {
      limit: 'eventBytes',
      value: this.#bytes,
      most,
    })
  }

  #illegal(problem: string): DaybookError {
    const path = this.#root + this.#path.map(pathStep).join('')
    return new DaybookError('ILLEGAL_DATA', `${path} ${problem}`, { path, problem })
  }
}

function pathStep(step: string | number): string {
  if (typeof step === 'number') return `[${step}]`
  return /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${printable(step)}]`
}

function instanceOf(prototype: unknown): string {
  if (prototype === null) return 'an object without a prototype'
  const owner = (prototype as { readonly constructor?: unknown }).constructor
  return `an instance of ${typeof owner === 'function' && owner.name ? owner.name : 'a class'}`
}
