import { type Static, Type } from 'typebox'
import { unusedCounters } from '../../card/card-counters.ts'
import type { CardKind, CardStatus } from '../../card/household.ts'
import type { HouseholdContext } from './detail.ts'
import { parts } from './detail.ts'

/** A card as a command brings it: its number masked, hashed and encrypted, never in clear. */
export const cardPart = Type.Object({
  id: parts.id,
  panIndex: Type.String({ pattern: '^[0-9a-f]{32}$' }),
  panMasked: Type.String({ pattern: '^[0-9]{6}[*]{3,9}[0-9]{4}$' }),
  panEncrypted: Type.String({ pattern: '^[0-9A-Za-z+/]{40,100}={0,2}$' }),
  keyVersion: Type.Integer({ minimum: 1, maximum: 9_999 }),
  expiry: Type.String({ pattern: '^[0-9]{2}(0[1-9]|1[0-2])$' }),
  sequenceNumber: Type.String({ pattern: '^[0-9]{2}$' }),
  serviceCode: Type.String({ pattern: '^[0-9]{3}$' }),
  pvki: Type.Optional(Type.Integer({ minimum: 0, maximum: 9 })),
  pvv: Type.Optional(Type.String({ pattern: '^[0-9]{4}$' })),
})
export type CardPart = Static<typeof cardPart>

/** Cards that a household may have, those that are closed included: beyond it something is wrong. */
const CARDS_MAX = 32

/** Adds a card to its household, in memory and in the commit. @returns why not */
export function addCard(
  part: CardPart,
  cardKind: CardKind,
  status: CardStatus,
  { household, builder }: HouseholdContext,
): string | undefined {
  const { id, panIndex, expiry, sequenceNumber, serviceCode, pvki, pvv } = part
  if (household.cards.length >= CARDS_MAX) return `a household has at most ${CARDS_MAX} cards`
  const index = Buffer.from(panIndex, 'hex').toString('latin1')
  if (household.cards.some((card) => card.panIndex === index)) return 'the household has a card with this number'
  household.cards.push({
    id,
    kind: cardKind,
    panIndex: index,
    expiry,
    status,
    sequenceNumber,
    serviceCode,
    pinReference: pvki === undefined || pvv === undefined ? undefined : { keyIndex: pvki, pvv },
    counters: { ...unusedCounters },
    scriptPending: undefined,
  })
  const { id: _, ...kept } = part
  builder.change('card-add', { ...kept, card: id, household: household.id, cardKind, status })
  return undefined
}
