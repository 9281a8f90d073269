import type { PinBlockFormat } from './pin-block.ts'

/**
 * What PCI PIN requirement 3-3 says of a change of format. `card` is for a block that goes into a chip card, and there
 * only.
 */
type Rule = 'same-pan' | 'yes' | 'card' | 'no'

/**
 * The table of PCI PIN Security Requirements v3.1, requirement 3-3. A row is the format a PIN comes in, an entry the
 * format it is to leave in.
 */
const translationRules: Readonly<Record<PinBlockFormat, Readonly<Record<PinBlockFormat, Rule>>>> = {
  0: { 0: 'same-pan', 1: 'no', 2: 'card', 3: 'same-pan', 4: 'same-pan' },
  1: { 0: 'yes', 1: 'yes', 2: 'card', 3: 'yes', 4: 'yes' },
  2: { 0: 'no', 1: 'no', 2: 'card', 3: 'no', 4: 'no' },
  3: { 0: 'same-pan', 1: 'no', 2: 'card', 3: 'same-pan', 4: 'same-pan' },
  4: { 0: 'same-pan', 1: 'no', 2: 'card', 3: 'same-pan', 4: 'same-pan' },
}

/**
 * Whether a PIN block of a message may be made into another (PCI PIN requirement 3-3). Where both formats hold the PAN
 * it must stay the same, for which {@link translatePinBlock} takes only one. Into format 2 never: this program hands no
 * PIN block to a card reader. Formats that are not of ISO 9564-1 are not known here, and so never allowed.
 */
export function translationAllowed(from: PinBlockFormat, to: PinBlockFormat): boolean {
  const rule = translationRules[from][to]
  return rule === 'same-pan' || rule === 'yes'
}
