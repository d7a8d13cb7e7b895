import type { ValidEvent } from '../core/append-request.ts'
import type { AnyDecider } from '../core/decider.ts'
import { DaybookError } from '../core/errors.ts'
import { definitionOf, type EventDefinition, isValidated, type NewEvent } from '../core/event.ts'
import { categoryOf } from '../core/names.ts'
import { validated } from '../core/schema.ts'

/**
 * Validates events before they are appended: by the definition of the set that made them, or of the decider of their
 * category. Events of categories without a decider are only checked to be legal data.
 */
export class EventValidator {
  readonly #byCategory = new Map<string, ReadonlyMap<string, EventDefinition>>()

  /** Throws `DEFINITION_INVALID` when two deciders share a category. */
  constructor(deciders: readonly AnyDecider[]) {
    for (const { definition } of deciders) {
      if (this.#byCategory.has(definition.category)) {
        throw new DaybookError(
          'DEFINITION_INVALID',
          `two deciders have the category "${definition.category}"`,
          {
            category: definition.category,
          },
        )
      }
      this.#byCategory.set(definition.category, definition.events)
    }
  }

  readonly validate = (stream: string, event: NewEvent): ValidEvent => {
    const category = categoryOf(stream)
    const types = this.#byCategory.get(category)
    const known = types?.get(event.type)
    if (types !== undefined && known === undefined) {
      throw new DaybookError(
        'EVENT_INVALID',
        `${event.type} is no event of "${category}"; defined are ${[...types.keys()].join(', ')}`,
        { category, type: event.type, known: [...types.keys()] },
      )
    }
    // The category's definition counts, also for an event that another set made.
    const definition = known ?? event[definitionOf]
    const own = event.tags ?? []
    if (definition === undefined)
      return { data: event.data, schemaVersion: event.schemaVersion ?? 1, tags: own }
    const isStored = event[isValidated] === true
    if (!isStored && event.schemaVersion !== undefined && event.schemaVersion !== definition.version) {
      throw new DaybookError(
        'EVENT_INVALID',
        `${event.type} is defined in schema version ${definition.version}, the event says ${event.schemaVersion}`,
        { type: event.type, defined: definition.version, given: event.schemaVersion },
      )
    }
    const data = isStored ? event.data : validated(definition.schema, event.data, event.type)
    const derived = (definition.tags as ((data: unknown) => readonly string[]) | undefined)?.(data) ?? []
    return {
      data,
      schemaVersion: definition.version,
      tags: derived.length === 0 ? own : [...own, ...derived],
    }
  }
}
