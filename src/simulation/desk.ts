import type { InboxCommand } from '../store/command-inbox.ts'
import { cairoBusinessDate, daysAfter } from './cairo.ts'
import type { Chance } from './chance.ts'
import type { Ledger } from './ledger.ts'
import type { EventRecord } from './record.ts'
import type { Swarm } from './swarm.ts'
import { panIndexOf, type WorldHousehold } from './world.ts'

/** What a desk works with. */
export interface DeskOptions {
  readonly swarm: Swarm
  readonly chance: Chance
  readonly households: readonly WorldHousehold[]
  readonly ledger: Ledger
  readonly record: EventRecord
  /** What the clock of the switch shows. */
  nowMs(): number
  /** Tells the process that peers reach that there is something in the inbox. */
  wake(): void
}

/** People who ask the switch for things by its inbox of commands. */
export class Desk {
  readonly #options: DeskOptions
  #commands = 0

  constructor(options: DeskOptions) {
    this.#options = options
  }

  /** Somebody at a desk blocks a card, opens it again, or has its PIN tries forgotten. */
  changeCard(): void {
    const { chance, households, swarm, ledger, record, wake } = this.#options
    const household = chance.pick(households)
    const card = chance.pick(household.cards)
    const kind = chance.pick(['card-status', 'card-status', 'pin-reset'] as const)
    const status = chance.pick(['restricted', 'active', 'active'])
    const detail = kind === 'card-status' ? { status, reason: 'the simulation says so' } : {}
    const command: InboxCommand = {
      lane: household.id % swarm.laneCount,
      id: ++this.#commands,
      kind,
      cardId: card.id,
      householdId: household.id,
      panIndex: panIndexOf(card.pan),
      detail,
      requestedBy: 'desk',
    }
    ledger.tables.inbox.push({ command, outcome: undefined })
    record.note(`command ${command.id} ${kind} for card ${card.id}`)
    if (chance.happens(0.5)) wake()
  }

  /** The day is closed in all lanes before its time, or late, or once more, or before it has begun. */
  closeDay(): void {
    const { chance, swarm, ledger, record, nowMs, wake } = this.#options
    const by = cairoBusinessDate(nowMs(), swarm.cutoverMinutes)
    const date = daysAfter(by, chance.pick([0, 0, -1, -1, -3, 2]))
    for (let lane = 0; lane < swarm.laneCount; lane++) {
      const nobody = { cardId: undefined, householdId: undefined, panIndex: undefined }
      const command = {
        lane,
        id: ++this.#commands,
        kind: 'close-day',
        ...nobody,
        detail: { date },
        requestedBy: 'desk',
      }
      ledger.tables.inbox.push({ command, outcome: undefined })
      record.note(`command ${command.id} closes ${date} in lane ${lane}`)
    }
    if (chance.happens(0.5)) wake()
  }
}
