import { DaybookError } from './errors.ts'
import { maxDepth, printable } from './limits.ts'

/** A value that JSON holds exactly. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/**
 * Encodes a value as JSON text that parses back to an equal value, or throws `ILLEGAL_DATA` with the path of the
 * first offender: `undefined`, functions, symbols, bigints, `NaN`, infinities, integers beyond ±(2^53−1), class
 * instances (`Date`, `Map` …), sparse arrays, hidden properties, nesting deeper than 128.
 * `-0` is kept (as `-0`), a lone surrogate is kept (as its escape), a `__proto__` key is kept as data.
 */
export function encodeLegalData(value: unknown, root = 'data'): string {
  const check = new LegalDataCheck(root)
  check.value(value, 0)
  return check.hasNegativeZero ? JSON.stringify(value, keepNegativeZero) : JSON.stringify(value)
}

/** As `encodeLegalData`, for the outermost value of events and metadata, which must be a plain object. */
export function encodeLegalObject(value: unknown, root: string): string {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new DaybookError('ILLEGAL_DATA', `${root} must be a plain object, not ${printable(value)}`, {
      path: root,
    })
  }
  return encodeLegalData(value, root)
}

// In the language since ES2025 drafts; not yet in TypeScript's library.
const rawJson = JSON as typeof JSON & { rawJSON(text: string): object }

function keepNegativeZero(_key: string, value: unknown): unknown {
  return Object.is(value, -0) ? rawJson.rawJSON('-0') : value
}

class LegalDataCheck {
  hasNegativeZero = false
  readonly #path: (string | number)[] = []
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  value(value: unknown, depth: number): void {
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return
      case 'number':
        this.#number(value)
        return
      case 'object':
        if (value === null) return
        if (depth >= maxDepth) throw this.#illegal(`is nested deeper than ${maxDepth} levels`)
        if (Array.isArray(value)) this.#array(value, depth)
        else this.#object(value, depth)
        return
      case 'bigint':
        throw this.#illegal('is a bigint; write it as a string')
      default:
        throw this.#illegal(value === undefined ? 'is undefined' : `is ${printable(value)}`)
    }
  }

  #number(value: number): void {
    if (value === 0) {
      if (Object.is(value, -0)) this.hasNegativeZero = true
      return
    }
    if (!Number.isFinite(value)) throw this.#illegal(`is ${value}`)
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      throw this.#illegal(
        `is ${value}, an integer beyond 2^53−1, which a number cannot hold exactly; write it as a string`,
      )
    }
  }

  #array(array: readonly unknown[], depth: number): void {
    if (Object.getPrototypeOf(array) !== Array.prototype)
      throw this.#illegal('is an instance of a subclass of Array')
    // Covers holes, named properties and symbols at once: a plain array owns its elements and `length`.
    if (Reflect.ownKeys(array).length !== array.length + 1)
      throw this.#illegal('is an array with holes or named properties')
    for (let index = 0; index < array.length; index++) {
      this.#path.push(index)
      this.value(array[index], depth + 1)
      this.#path.pop()
    }
  }

  #object(object: object, depth: number): void {
    const prototype: unknown = Object.getPrototypeOf(object)
    if (prototype !== Object.prototype && prototype !== null) {
      throw this.#illegal(`is an instance of ${className(prototype)}, not a plain object`)
    }
    const keys = Object.keys(object)
    if (Reflect.ownKeys(object).length !== keys.length) throw this.#illegal('has hidden or symbol properties')
    for (const key of keys) {
      this.#path.push(key)
      this.value((object as { readonly [key: string]: unknown })[key], depth + 1)
      this.#path.pop()
    }
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

function className(prototype: unknown): string {
  const owner = (prototype as { readonly constructor?: unknown }).constructor
  return typeof owner === 'function' && owner.name ? owner.name : 'a class'
}
