import { assert } from '../errors.ts'

/** What a message that Mizan itself sends is for. */
export const forwardKinds = ['advice', 'reversal', 'key-exchange', 'cutover'] as const
export type ForwardKind = (typeof forwardKinds)[number]

/**
 * A message that a destination must not miss: queued in the commit of the decision that causes it, and sent until it is
 * answered (docs/forwarding.md). STAN (11) and DE7 are given once, when it is queued, unless they stand in `fields`;
 * STANs that the queue gives are 500000 to 999999, so that those of live requests are below.
 */
export interface Forward {
  /** Name of an outbound link of the configuration. */
  readonly destination: string
  readonly kind: ForwardKind
  /** First form, such as 0120, 0220, 0420; the repeat form is made when it is sent again. */
  readonly mti: string
  /**
   * Data element to text, in no dialect: fixed numeric fields zero-padded, DE48 as its elements. The card's number is
   * not among them, and no sensitive authentication data ever ({@link neverForwarded}).
   */
  readonly fields: Readonly<Record<number, string>>
  /** Card whose number goes out as DE2, read from its row when it is sent; undefined = no DE2. */
  readonly cardId: number | undefined
}

/**
 * Data elements that are never queued: the card's number (DE2, 34), tracks (35, 36, 45), PIN block (52), chip data (55,
 * which may hold a track), and the MACs, which are made when it is sent. Source: PCI DSS 3.3 (no sensitive
 * authentication data is kept after authorization).
 */
const neverForwarded: readonly number[] = [1, 2, 34, 35, 36, 45, 52, 55, 64, 128]

/** Request and advice types, in their first form. */
const MTI = /^0[1-8][024]0$/
const DESTINATION = /^[a-z0-9][a-z0-9-]{0,31}$/

/** What is wrong with a message that is to be queued; undefined when it may be. */
export function forwardFault({ destination, mti, fields }: Omit<Forward, 'kind' | 'cardId'>): string | undefined {
  if (!DESTINATION.test(destination)) return `${destination} is no name of a link`
  if (!MTI.test(mti)) return `${mti} is no message type of a first request or advice`
  const kept = Object.keys(fields).find((de) => neverForwarded.includes(Number(de)))
  if (kept !== undefined) return `data element ${kept} is never queued`
  if (fields[11] !== undefined && !/^[0-9]{6}$/.test(fields[11])) return 'data element 11 has six digits'
  if (fields[7] !== undefined && !/^[0-9]{10}$/.test(fields[7])) return 'data element 7 has ten digits'
  return undefined
}

/** Stops on a message that must not be queued: a defect of whoever made it. */
export function assertForward(forward: Forward): void {
  const fault = forwardFault(forward)
  assert(fault === undefined, fault ?? '')
}
