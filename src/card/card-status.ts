import type { CardStatus } from './household.ts'

/**
 * What a card may become. A card that was lost or stolen is never used again, whoever finds it: it is replaced, then
 * closed. One that was handed over is activated once.
 */
const successors: Readonly<Record<CardStatus, readonly CardStatus[]>> = {
  issued: ['active', 'restricted', 'lost', 'stolen', 'closed'],
  active: ['restricted', 'lost', 'stolen', 'closed'],
  restricted: ['active', 'lost', 'stolen', 'closed'],
  lost: ['stolen', 'closed'],
  stolen: ['closed'],
  closed: [],
}

/** Why a card of one status cannot get another, in words; undefined when it can. */
export function statusRefusal(from: CardStatus, to: CardStatus): string | undefined {
  if (from === to) return `the card is ${to} already`
  if (successors[from].includes(to)) return undefined
  return `a card that is ${from} does not become ${to}`
}

/** Whether a card of this status may still be used one day, so that its PIN is worth resetting. */
export function mayBeUsedAgain(status: CardStatus): boolean {
  return status === 'active' || successors[status].includes('active')
}
