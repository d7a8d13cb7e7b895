export interface Collection {
  readonly idempotencyKey: string
  readonly address: string
}

export type CollectionAnswer =
  | { readonly isCollected: true; readonly parcel: string }
  | { readonly isCollected: false; readonly reason: string }

/** A carrier, who collects one parcel for each key, and does not go everywhere. */
export class Carrier {
  readonly #parcels = new Map<string, string>()
  readonly #unreachable: readonly string[]

  constructor({ unreachable = [] }: { readonly unreachable?: readonly string[] } = {}) {
    this.#unreachable = unreachable
  }

  async collect({ idempotencyKey, address }: Collection): Promise<CollectionAnswer> {
    if (this.#unreachable.includes(address)) return { isCollected: false, reason: `no way to ${address}` }
    const parcel = this.#parcels.get(idempotencyKey) ?? `parcel-${this.#parcels.size + 1}`
    this.#parcels.set(idempotencyKey, parcel)
    return { isCollected: true, parcel }
  }
}
