import type { ChipCard, IssuerAnswer } from './chip-card.ts'
import type { Answer } from './counterparty.ts'
import type { Intent } from './messages.ts'
import type { EnteredPin } from './pin-pad.ts'

/** How a cardholder uses a chip. */
export interface ChipUse {
  /** Civil date as yyyymmdd. */
  readonly date: number
  /** What was typed. @default no PIN */
  readonly pin?: EnteredPin
  /** @default 'chip' */
  readonly entry?: 'chip' | 'contactless'
}

/**
 * The same message with a chip that was read for it, and a PIN. The chip counts a transaction: a message made once is
 * to be sent once, or again as a repeat.
 */
export function withChip(intent: Intent, chip: ChipCard, { date, pin, entry = 'chip' }: ChipUse): Intent {
  const { amountPiasters = 0, cashbackPiasters = 0, processingCode } = intent
  const type = processingCode.slice(0, 2)
  const onlinePin = pin !== undefined
  const data = chip.authorize({ amountPiasters, cashbackPiasters, type, date, onlinePin })
  return { ...intent, entry, chip: data, ...(pin === undefined ? {} : { pin }) }
}

/** Whether a card may be content with what came back: an approval proves itself, and nothing comes back forged. */
export function isAuthentic({ authentication, approved }: IssuerAnswer, answer: Answer): boolean {
  const granted = answer.code === '00' || answer.code === '10'
  if (granted) return authentication === 'right' && approved === true
  return authentication !== 'wrong' && approved !== true
}
