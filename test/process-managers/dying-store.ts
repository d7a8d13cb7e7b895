import type { Host, Store } from 'daybook'
import type { OpenStore } from '../../library/src/core/ports/store.ts'

/** Which writes are deadly once they are done: those that appended events, those that moved a checkpoint, or both. */
export type Deadly = 'append' | 'checkpoint' | 'any' | 'nothing'

/** A store that calls back after each write of a kind, before anybody hears of it; who never answers, freezes it. */
export function dyingStore(store: Store, deadly: Deadly, die: () => void | Promise<void>): Store {
  return {
    name: store.name,
    open: async (host: Host) => dying(await store.open(host), deadly, die),
  }
}

function dying(store: OpenStore, deadly: Deadly, die: () => void | Promise<void>): OpenStore {
  const { log, readModels, following } = store
  return overlaid(store, {
    log: overlaid(log, {
      append: async (requests, inline) => {
        const outcomes = await log.append(requests, inline)
        const isNew = outcomes.some((outcome) => outcome.kind === 'appended' && outcome.rows.length > 0)
        if (isDeadly(deadly, 'append') && isNew) await die()
        return outcomes
      },
    }),
    readModels: overlaid(readModels, {
      change: async (change) => {
        const isChanged = await readModels.change(change)
        if (isDeadly(deadly, 'checkpoint') && isChanged) await die()
        return isChanged
      },
      moveCheckpoint: async (subscription, fromPosition, checkpoint, lease) => {
        const isMoved = await readModels.moveCheckpoint(subscription, fromPosition, checkpoint, lease)
        if (isDeadly(deadly, 'checkpoint') && isMoved) await die()
        return isMoved
      },
    }),
    following: overlaid(following, {
      transaction: async (work, isDurable) => {
        let hasMoved = false
        const result = await following.transaction(
          (transaction) =>
            work(
              overlaid(transaction, {
                move: async (...move) => {
                  hasMoved = await transaction.move(...move)
                  return hasMoved
                },
              }),
            ),
          isDurable,
        )
        if (isDeadly(deadly, 'checkpoint') && hasMoved) await die()
        return result
      },
    }),
  })
}

function isDeadly(deadly: Deadly, write: 'append' | 'checkpoint'): boolean {
  return deadly === write || deadly === 'any'
}

/** The same object with some methods of its own; the others are run on the original. */
function overlaid<Original extends object>(original: Original, own: Partial<Original>): Original {
  return new Proxy(original, {
    get: (target, name) => {
      const value: unknown = Reflect.get(name in own ? own : target, name, name in own ? own : target)
      return typeof value === 'function' && !(name in own) ? value.bind(target) : value
    },
  })
}
