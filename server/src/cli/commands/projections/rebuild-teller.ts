import type { RebuildProgress, RebuildState } from 'daybook'
import { copyName } from '../../follower-output.ts'
import type { Output } from '../../output.ts'
import { bar, type Progress } from '../../progress.ts'
import { countText, durationText } from '../../text.ts'

/** What a state means, to a person who waits. */
const words: { readonly [state in RebuildState]: string } = {
  filling: 'filling',
  indexing: 'building indexes',
  'standing-by': 'another process fills it',
  paused: 'paused',
  filled: 'filled',
}

/** Tells a person how a rebuild goes: on a terminal a line that moves, elsewhere a sentence when it cannot go on. */
export class RebuildTeller {
  last: RebuildProgress | undefined
  readonly #progress: Progress
  readonly #output: Output
  readonly #isTerminal: boolean
  #told: RebuildState = 'filling'

  constructor(progress: Progress, output: Output, isTerminal: boolean) {
    this.#progress = progress
    this.#output = output
    this.#isTerminal = isTerminal
  }

  tell(progress: RebuildProgress): void {
    // It stands by for a moment before it begins; who has to wait is told so once more.
    const isWaiting =
      progress.state === 'paused' || (progress.state === 'standing-by' && this.last !== undefined)
    this.last = progress
    this.#progress.show(lineOf(progress))
    const state = isWaiting ? progress.state : 'filling'
    if (this.#isTerminal || state === this.#told) return
    this.#told = state
    void this.#output.note(sentenceOf(progress, state)).catch(() => undefined)
  }
}

function lineOf({
  projection,
  state,
  position,
  head,
  eventsPerSecond,
  secondsLeft,
  ...copy
}: RebuildProgress): string {
  const share = head === 0 ? 1 : position / head
  const at = `${bar(share)} ${countText(position)} of ${countText(head)}`
  const rate = state === 'filling' && eventsPerSecond > 0 ? `, ${countText(eventsPerSecond)}/s` : ''
  const left = rate === '' || secondsLeft === undefined ? '' : `, ${durationText(secondsLeft * 1_000)} left`
  return `${copyName(projection, copy)} ${words[state]} ${at}${rate}${left}`
}

function sentenceOf(progress: RebuildProgress, state: RebuildState): string {
  const { projection, position, head } = progress
  const at = `${copyName(projection, progress)} at position ${countText(position)} of ${countText(head)}`
  if (state === 'paused')
    return `${at} is paused; \`daybook projections resume ${projection}\` lets it go on.`
  if (state === 'standing-by') return `${at} is being filled by another process; this one waits for it.`
  return `${at} is being filled by this process.`
}
