import { ChipCard } from '../../src/simulator/chip-card.ts'
import { ChipIssuer } from '../../src/simulator/chip-issuer.ts'
import { chipVersionOf } from '../../src/simulator/chip-record.ts'
import type { Exchanged } from '../../src/simulator/counterparty.ts'
import type { WorldHousehold } from '../../src/simulator/demo-files.ts'
import { type Intent, transaction } from '../../src/simulator/messages.ts'
import { type PinPad, ZonePinPad } from '../../src/simulator/pin-pad.ts'
import { withChip } from '../../src/simulator/presentment.ts'
import { type TestSwitch, today } from './switch.ts'

type RailName = 'pos' | 'atm' | 'visa'

/** A household of the test world at a terminal, with its card and a PIN pad. */
export class Cardholder {
  readonly household: WorldHousehold
  readonly chip: ChipCard
  readonly #on: TestSwitch
  #pad: PinPad

  constructor(on: TestSwitch) {
    this.#on = on
    this.household = on.household()
    const { card, id } = this.household
    this.chip = new ChipCard(new ChipIssuer(on.world.keys), card, chipVersionOf(id))
    this.#pad = new ZonePinPad(on.world.keys.zpk)
  }

  use(pad: PinPad): void {
    this.#pad = pad
  }

  /** A purchase (or cash at an ATM) of 10 pounds with chip and PIN. */
  intent(rail: RailName, pin = this.household.card.pin): Intent {
    return withChip(this.plain(rail), this.chip, {
      date: today(this.#on.clock),
      pin: this.#pad.enter(pin, this.household.card.pan),
    })
  }

  /** The same without chip and PIN. */
  plain(rail: RailName): Intent {
    const { card, governorate } = this.household
    const terminal = this.#on.place(rail === 'atm' ? 'atm' : 'shop', governorate)
    const mti = rail === 'visa' ? '0100' : '0200'
    return transaction(rail === 'atm' ? 'cash' : 'purchase', { card, terminal, amountPiasters: 1_000, from: '20', mti })
  }

  async ask(rail: RailName, pin?: string): Promise<Exchanged> {
    return this.#on[rail].ask(this.intent(rail, pin))
  }

  get wrongPin(): string {
    return String((Number(this.household.card.pin) + 1) % 10_000).padStart(4, '0')
  }
}
