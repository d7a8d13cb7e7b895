/** When two values are the same to whoever reads an event, and which values an event may hold: written independently of the product. */

/**
 * True when nobody could tell one value from the other: the same primitives by `Object.is`, the same keys in the same
 * order, the same lengths. An object without a prototype is the same as one with the usual one.
 */
export function isIdentical(one: unknown, other: unknown): boolean {
  const pairs: [unknown, unknown][] = [[one, other]]
  // A stack of our own: values may be nested deeper than the engine's reaches.
  for (let pair = pairs.pop(); pair !== undefined; pair = pairs.pop()) {
    const [left, right] = pair
    if (Object.is(left, right)) continue
    if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
    if (Array.isArray(left) !== Array.isArray(right)) return false
    const [leftKeys, rightKeys] = [Reflect.ownKeys(left), Reflect.ownKeys(right)]
    if (leftKeys.length !== rightKeys.length) return false
    for (const [index, key] of leftKeys.entries()) {
      if (key !== rightKeys[index]) return false
      pairs.push([Reflect.get(left, key), Reflect.get(right, key)])
    }
    if (prototypeOf(left) !== prototypeOf(right)) return false
  }
  return true
}

function prototypeOf(value: object): unknown {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null ? Object.prototype : prototype
}

const mostDepth = 128

/** Whether a value may be an event's data: what must be accepted, so that refusing everything is no way to pass. */
export function isLegal(data: unknown): boolean {
  if (data === null || typeof data !== 'object' || Array.isArray(data)) return false
  const left: { value: unknown; depth: number }[] = [{ value: data, depth: 1 }]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { value, depth } = next
    if (value === null || typeof value === 'string' || typeof value === 'boolean') continue
    if (typeof value === 'number') {
      if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) return false
      continue
    }
    if (typeof value !== 'object' || depth > mostDepth || !isPlain(value)) return false
    for (const inner of Object.values(value)) left.push({ value: inner, depth: depth + 1 })
  }
  return true
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  const own = Reflect.ownKeys(value)
  if (Array.isArray(value)) {
    const isDense = own.length === value.length + 1 && Object.keys(value).length === value.length
    return prototype === Array.prototype && isDense
  }
  const isVisible = own.length === Object.keys(value).length
  return (prototype === Object.prototype || prototype === null) && isVisible
}
