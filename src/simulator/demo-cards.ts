import { ChipCard } from './chip-card.ts'
import type { ChipCounters } from './chip-counters.ts'
import { ChipIssuer } from './chip-issuer.ts'
import { chipVersionOf } from './chip-record.ts'
import type { World, WorldHousehold } from './demo-files.ts'

/** The chips of a demo world, each made when it is first asked for and kept: a chip counts its transactions. */
export class DemoCards {
  readonly #issuer: ChipIssuer
  readonly #counters: ChipCounters
  readonly #cards = new Map<number, ChipCard>()

  constructor({ keys, counters }: Pick<World, 'keys' | 'counters'>) {
    this.#issuer = new ChipIssuer(keys)
    this.#counters = counters
  }

  /** The chip on a household's card. */
  of({ id, card }: WorldHousehold): ChipCard {
    const known = this.#cards.get(id)
    if (known !== undefined) return known
    const made = new ChipCard(this.#issuer, card, chipVersionOf(id), { atc: this.#counters.last(id) })
    this.#cards.set(id, made)
    return made
  }

  /** Leaves the counters for the next simulator. */
  save(): void {
    this.#counters.save(new Map([...this.#cards].map(([id, card]) => [id, card.atc])))
  }
}
