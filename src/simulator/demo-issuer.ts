import { cvv, cvv2, icvv } from '../security/card-values/cvv.ts'
import { generatePvv } from '../security/pin/pvv.ts'
import { DesKey } from '../security/primitives/des.ts'
import type { DemoKeys } from './demo-keys.ts'

/** Service code of every demo card: international, chip, normal authorization. */
export const SERVICE_CODE = '201'
/** Sequence number of every demo card. */
export const PSN = '01'

/** What of a card its verification values depend on. */
export interface CardFace {
  readonly pan: string
  /** YYMM */
  readonly expiry: string
  readonly pin: string
}

/** Verification values of a card, and the tracks that carry them. */
export interface CardValues {
  /** Index of the PIN verification key. */
  readonly pvki: number
  readonly pvv: string
  readonly cvv: string
  readonly icvv: string
  /** Of PAN and expiry as YYMM. */
  readonly cvv2: string
}

const PIN_DIGITS = 4
const ZERO = 0x30

/**
 * Personalises demo cards: their verification values under the demo keys. Track 2 has, behind the service code, PVKI 1,
 * PVV 4, CVV 3 and two zeros; the chip's image of it (tag 57) has the iCVV in the place of the CVV.
 */
export class DemoIssuer {
  readonly #pvk: DesKey
  readonly #cvk: DesKey
  readonly #pvki: string
  readonly #pin = new Uint8Array(PIN_DIGITS)

  constructor(keys: Pick<DemoKeys, 'pvk' | 'pvki' | 'cvk'>) {
    this.#pvk = new DesKey(Buffer.from(keys.pvk, 'hex'))
    this.#cvk = new DesKey(Buffer.from(keys.cvk, 'hex'))
    this.#pvki = keys.pvki
  }

  /** What the card table needs: cheaper than {@link values} where many cards are made. */
  pinReference({ pan, pin }: CardFace): { readonly pvki: number; readonly pvv: string } {
    for (let at = 0; at < PIN_DIGITS; at++) this.#pin[at] = pin.charCodeAt(at) - ZERO
    return { pvki: Number(this.#pvki), pvv: generatePvv(this.#pvk, pan, this.#pvki, this.#pin) }
  }

  /** The value on the chip's image of track 2. */
  chipValue({ pan, expiry }: CardFace): string {
    return icvv(this.#cvk, pan, expiry)
  }

  /** All verification values of a card. */
  values(card: CardFace): CardValues {
    const { pan, expiry } = card
    return {
      ...this.pinReference(card),
      cvv: cvv(this.#cvk, pan, expiry, SERVICE_CODE),
      icvv: this.chipValue(card),
      cvv2: cvv2(this.#cvk, pan, expiry),
    }
  }
}

/** Track 2 as text with `=`; `value` is the CVV of the stripe or the iCVV of the chip. */
export function track2Of({ pan, expiry }: CardFace, { pvki, pvv }: CardValues, value: string): string {
  return `${pan}=${expiry}${SERVICE_CODE}${pvki}${pvv}${value}00`
}
