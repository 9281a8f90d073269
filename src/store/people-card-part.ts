import { MizanError } from '../errors.ts'
import { isLuhnValid, maskPan } from '../identifiers.ts'
import { nextNumber, type PeopleDesk } from './people-desk.ts'

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

/** A new card as a command brings it, with a number of its own. @throws MizanError BAD_INPUT when its number is known */
export async function cardPartOf(desk: PeopleDesk, card: PersonalisedCard, panIndex: string) {
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
