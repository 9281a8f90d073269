import { isExpired } from '../card/household.ts'
import { MizanError } from '../errors.ts'
import { isLuhnValid, maskPan } from '../identifiers.ts'
import { nextNumber, type PeopleDesk, todayAt } from './people-desk.ts'

/** A card as the personalisation has made it. The number is in clear here and nowhere that lasts. */
export interface PersonalisedCard {
  readonly pan: string
  /** YYMM. */
  readonly expiry: string
  /** Two digits. */
  readonly sequenceNumber: string
  /** Three digits. */
  readonly serviceCode: string
  /** Visa PIN verification value and the index of its key; absent for a card without a PIN. */
  readonly pin?: { readonly pvki: number; readonly pvv: string }
}

/** Keyed hash of a card's number, 32 hex digits. @throws MizanError BAD_INPUT when it is no card */
export function panIndexOf(
  { pans }: PeopleDesk,
  { pan, expiry, sequenceNumber, serviceCode }: PersonalisedCard,
): string {
  if (!/^\d{16,19}$/.test(pan) || !isLuhnValid(pan)) {
    throw new MizanError('BAD_INPUT', 'a card number has 16 to 19 digits with a right check digit')
  }
  if (!/^\d{2}(0[1-9]|1[0-2])$/.test(expiry)) throw new MizanError('BAD_INPUT', 'expiry is written YYMM')
  if (!/^\d{2}$/.test(sequenceNumber)) throw new MizanError('BAD_INPUT', 'sequenceNumber has two digits')
  if (!/^\d{3}$/.test(serviceCode)) throw new MizanError('BAD_INPUT', 'serviceCode has three digits')
  return Buffer.from(pans.index(pan), 'latin1').toString('hex')
}

/**
 * Service codes that a card on a terminal can have (ISO/IEC 7813: interchange, authorization, services). 000 and 999 stand
 * in for one where a CVV2 or an iCVV is computed, and 9 begins those of test cards.
 */
const SERVICE_CODE = /^[12567][024][0-7]$/

/** What could never work is not handed out. @throws MizanError BAD_INPUT */
function refuseUnusable(desk: PeopleDesk, { expiry, serviceCode }: PersonalisedCard): void {
  if (isExpired(expiry, todayAt(desk))) throw new MizanError('BAD_INPUT', 'expiry: the card has expired already')
  if (!SERVICE_CODE.test(serviceCode)) {
    throw new MizanError('BAD_INPUT', 'serviceCode is none of a card, such as 201 (ISO/IEC 7813)')
  }
}

/**
 * A new card as a command brings it, with a number of its own.
 * @throws MizanError BAD_INPUT when its number is known, or the card could never work
 */
export async function cardPartOf(desk: PeopleDesk, card: PersonalisedCard, panIndex: string) {
  refuseUnusable(desk, card)
  const known = await desk.client.query('select from card where pan_index = $1', [Buffer.from(panIndex, 'hex')])
  if (known.rowCount !== 0) throw new MizanError('BAD_INPUT', 'there is a card with this number already')
  const { pan, expiry, sequenceNumber, serviceCode, pin } = card
  const { bytes, keyVersion } = desk.pans.encrypt(pan)
  return {
    id: await nextNumber(desk, 'card'),
    panIndex,
    panMasked: maskPan(pan),
    panEncrypted: bytes.toString('base64'),
    keyVersion,
    expiry,
    sequenceNumber,
    serviceCode,
    ...pin,
  }
}
