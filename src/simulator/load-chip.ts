import { berValue, parseBerTlv } from '../iso8583/ber-tlv.ts'
import type { CardIdentity } from '../security/emv/arqc.ts'
import { encipherPinBlock } from '../security/pin/pin-cipher.ts'
import { DesKey } from '../security/primitives/des.ts'
import { ChipIssuer } from './chip-issuer.ts'
import { ChipRecord, chipVersions } from './chip-record.ts'
import { DemoIssuer, PSN } from './demo-issuer.ts'
import type { DemoKeys } from './demo-keys.ts'
import { demoHousehold } from './demo-world.ts'
import type { LoadContent } from './load-mix.ts'
import type { MessageNumbers } from './load-template.ts'

/** What of the cards only their holders and chips know, by household number: six bytes a card. */
export interface CardSecrets {
  readonly pins: Uint16Array
  /** Eight digits behind the service code of the chip's track 2: PVKI, PVV, iCVV. */
  readonly discretionary: Uint32Array
}

/** Makes the secrets of households 1 to `count`: some four microseconds each. */
export function cardSecrets(seed: number, count: number, keys: DemoKeys): CardSecrets {
  const issuer = new DemoIssuer(keys)
  const pins = new Uint16Array(count + 1)
  const discretionary = new Uint32Array(count + 1)
  for (let id = 1; id <= count; id++) {
    const household = demoHousehold(seed, id, false)
    const { pvki, pvv } = issuer.pinReference(household)
    pins[id] = Number(household.pin)
    discretionary[id] = Number(`${pvki}${pvv}${issuer.chipValue(household)}`)
  }
  return { pins, discretionary }
}

/** Highest transaction counter that any card of a database has used. */
export interface HighestCounter {
  highest: number
}

/** What goes into a message besides its numbers; written over by the next one. */
export interface Presented {
  /** Which of {@link chipVersions} the card has: its chip data have their own length. */
  readonly form: number
  readonly discretionary: number
  readonly pinBlock: Uint8Array
  readonly chipData: Buffer
}

interface Kept {
  readonly pan: string
  readonly form: number
  readonly chipData: Buffer
}

/** Of so many requests one answer is checked as its card would. */
export const CHECKED_OF = 64
const ATC_MAX = 0xffff
const PIN_DIGITS = 4
const PIN_FORMAT = 0

/**
 * The chips and PIN pads of a load. A card's counter rises by one a request, from the highest that any card of the
 * database has used: two bytes a card, and nothing to store but that number.
 */
export class LoadChip {
  readonly #issuer: ChipIssuer
  readonly #secrets: CardSecrets
  readonly #used: HighestCounter
  readonly #counters: Uint16Array
  readonly #zone: { readonly format: 0; readonly key: DesKey }
  readonly #records = chipVersions.map((version) => new ChipRecord(version))
  readonly #checks = chipVersions.map((version) => new ChipRecord(version))
  readonly #presented: Presented[]
  readonly #card = { pan: '', psn: PSN }
  readonly #pin = new Uint8Array(PIN_DIGITS)
  readonly #kept = new Map<number, Kept>()
  #checked = 0
  #wrong = 0

  constructor(options: { keys: DemoKeys; secrets: CardSecrets; used: HighestCounter }) {
    const { keys, secrets, used } = options
    this.#issuer = new ChipIssuer(keys)
    this.#secrets = secrets
    this.#used = used
    this.#counters = new Uint16Array(secrets.pins.length).fill(used.highest)
    this.#zone = { format: PIN_FORMAT, key: new DesKey(Buffer.from(keys.zpk, 'hex')) }
    const pinBlock = new Uint8Array(8)
    this.#presented = this.#records.map((record, form) => {
      record.setOnlinePin(true)
      return { form, discretionary: 0, pinBlock, chipData: record.bytes }
    })
  }

  /** Answers checked so far, and how many of these were not their issuer's, or said otherwise than DE39. */
  get checks(): { readonly checked: number; readonly wrong: number } {
    return { checked: this.#checked, wrong: this.#wrong }
  }

  /** The card of {@link MessageNumbers} is read and its PIN typed, for a message of this content. */
  present(sequence: number, content: LoadContent, numbers: MessageNumbers): Presented {
    const household = numbers.householdId
    const form = household % chipVersions.length
    const record = this.#records[form] as ChipRecord
    const card = this.#card
    card.pan = `400000${String(household * 10 + numbers.checkDigit).padStart(10, '0')}`
    record.setAmounts(content.amountPiasters, 0)
    record.setKind(numbers.date, Number(content.processingCode.slice(0, 2)))
    // Any number that does not repeat soon: the issuer does not care which.
    record.setTransaction(this.#count(household), Math.imul(sequence, 0x9e37_79b1))
    this.#issuer.cryptograms.generate(card, record.value, record.cryptogram)
    const presented = this.#presented[form] as { -readonly [K in keyof Presented]: Presented[K] }
    presented.discretionary = this.#secrets.discretionary[household] as number
    this.#typePin(this.#secrets.pins[household] as number, card.pan, presented.pinBlock)
    if (sequence % CHECKED_OF === 0) {
      this.#kept.set(sequence, { pan: card.pan, form, chipData: Buffer.from(record.bytes) })
    }
    return presented
  }

  /** Whether the answer to a request is one of those that are checked. */
  awaits(sequence: number): boolean {
    return this.#kept.has(sequence)
  }

  /**
   * Checks an answer as the card does: an approval must prove itself, a decline that says anything must be right too.
   * @param chipData DE55 of the answer as BER-TLV
   */
  check(sequence: number, chipData: Buffer | undefined, approved: boolean): void {
    const kept = this.#kept.get(sequence)
    if (kept === undefined) return
    this.#kept.delete(sequence)
    this.#checked += 1
    if (!this.#isRight(kept, chipData, approved)) this.#wrong += 1
  }

  /** Forgets requests whose answers will not come any more. */
  forget(): void {
    this.#kept.clear()
  }

  #count(household: number): number {
    const counter = (this.#counters[household] as number) + 1
    if (counter > ATC_MAX) throw new RangeError('the counter of a chip is used up; load the cards anew with --reload')
    this.#counters[household] = counter
    if (counter > this.#used.highest) this.#used.highest = counter
    return counter
  }

  #typePin(pin: number, pan: string, block: Uint8Array): void {
    let rest = pin
    for (let at = PIN_DIGITS - 1; at >= 0; at--) {
      this.#pin[at] = rest % 10
      rest = Math.floor(rest / 10)
    }
    encipherPinBlock(this.#zone, this.#pin, PIN_DIGITS, pan, block)
  }

  #isRight({ pan, form, chipData }: Kept, answer: Buffer | undefined, approved: boolean): boolean {
    const value = answer === undefined ? undefined : berValue(parseBerTlv(answer).list, '91')
    if (value === undefined) return !approved
    const record = this.#checks[form] as ChipRecord
    record.bytes.set(chipData)
    const card: CardIdentity = { pan, psn: PSN }
    const { cryptograms } = this.#issuer
    cryptograms.generate(card, record.value, record.cryptogram)
    const method = cryptograms.version.arpcMethod
    // Method 1 has ten bytes; method 2 eight, without proprietary data, which this issuer does not send.
    if (value.length !== (method === 1 ? 10 : 8)) return false
    const read = cryptograms.readAnswer(value)
    if (read === undefined) return false
    return approved === (read.statusUpdate?.approve ?? read.responseCode === '00')
  }
}
