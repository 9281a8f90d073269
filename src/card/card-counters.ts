/** Counters of a card that its transactions move: changed by decisions alone, in the commit of the decision. */
export interface CardCounters {
  /** Wrong PINs since the last right one. */
  pinFailures: number
  /** Highest application transaction counter (ATC) of a cryptogram that was found right; 0 before the first. */
  atc: number
  /** Which of the {@link ATC_WINDOW} counters below `atc` were seen: bit 0 is `atc` - 1. */
  atcSeen: number
}

/** Counters of a card that was never used. */
export const unusedCounters: Readonly<CardCounters> = { pinFailures: 0, atc: 0, atcSeen: 0 }

/**
 * How far below the highest counter a cryptogram may still come in, once: messages overtake each other, and a terminal
 * may have been offline. Anything older is taken for a replay.
 */
export const ATC_WINDOW = 32

/** What a counter of a right cryptogram says. */
export type AtcVerdict = 'new' | 'late' | 'seen' | 'too-old'

/** Compares a counter with those that came before. A chip counts each transaction, so none comes twice (EMV Book 2). */
export function judgeAtc({ atc: highest, atcSeen }: CardCounters, atc: number): AtcVerdict {
  if (atc > highest) return 'new'
  const distance = highest - atc
  if (distance === 0) return 'seen'
  if (distance > ATC_WINDOW) return 'too-old'
  return ((atcSeen >>> (distance - 1)) & 1) === 1 ? 'seen' : 'late'
}

/** The counters after a cryptogram with a new or late counter. */
export function afterAtc({ pinFailures, atc: highest, atcSeen }: CardCounters, atc: number): CardCounters {
  if (atc <= highest) return { pinFailures, atc: highest, atcSeen: (atcSeen | (1 << (highest - atc - 1))) >>> 0 }
  const step = atc - highest
  const shifted = step >= ATC_WINDOW ? 0 : atcSeen << step
  // The counter that was the highest until now moves into the window.
  const moved = highest > 0 && step <= ATC_WINDOW ? shifted | (1 << (step - 1)) : shifted
  return { pinFailures, atc, atcSeen: moved >>> 0 }
}
