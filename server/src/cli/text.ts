/** Text as people read it: cells, values, sizes, times. */

// Control characters would move the cursor or colour the terminal; bidirectional ones reorder what is read.
const invisible = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

/** A text whose control characters are visible, so that what an event holds cannot play tricks on a terminal. */
export function visible(text: string): string {
  return text.replace(invisible, (character) => {
    if (character === '\n') return '\\n'
    if (character === '\t') return '\\t'
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** A value of a document or state in one line; strings bare, nothing for what is absent. */
export function valueText(value: unknown): string {
  if (value === undefined || value === null) return value === null ? 'null' : ''
  return visible(typeof value === 'string' ? value : JSON.stringify(value))
}

/** JSON in one line, its control characters visible. */
export function jsonText(value: unknown): string {
  return visible(JSON.stringify(value) ?? '')
}

/** `1,234,567`. */
export function countText(count: number): string {
  return count.toLocaleString('en-US')
}

/** `1 event`, `2 events`. */
export function counted(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** `812 B`, `1.2 MB`: decimal units. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = bytes < 1_000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1_000 ** power
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`
}

/** `2.1 s`, `3 min`, `5 h`, `12 d`. */
export function durationText(timeMs: number): string {
  const seconds = timeMs / 1_000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  if (seconds < 3_600) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} d`
}

/** Columns a text takes on a terminal: two for East Asian wide characters and emoji, none for combining marks. */
export function displayWidth(text: string): number {
  let width = 0
  for (const character of text) {
    if (/\p{M}/u.test(character)) continue
    width += /\p{Emoji_Presentation}/u.test(character) || wide.test(character) ? 2 : 1
  }
  return width
}

const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u
