import type { MessageClass } from './request.ts'

const classes: Record<string, MessageClass | undefined> = {
  '0100': 'authorization',
  '0120': 'authorization-advice',
  '0200': 'financial',
  '0220': 'financial-advice',
  '0400': 'reversal',
  '0420': 'reversal-advice',
}

/**
 * Base form of an MTI: repeats and issuer forms (xxx1, xxx2, xxx3) are the same transaction (visa-base1.md, section 4).
 */
export function baseMti(mti: string): string {
  return `${mti.slice(0, 3)}0`
}

/** Message class of an MTI that is decided on; undefined for everything else. */
export function messageClassOf(mti: string): MessageClass | undefined {
  return classes[baseMti(mti)]
}

/** MTI of the answer: the response form of the base form. */
export function answerMti(mti: string): string {
  const third = Number(mti[2])
  return `${mti.slice(0, 2)}${Number.isNaN(third) ? 1 : Math.min(9, third + 1)}0`
}
