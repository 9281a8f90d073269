import type { FieldValues } from '../iso8583/encode.ts'
import type { Intent, Stamps } from '../simulator/messages.ts'
import type { Timer } from '../timing.ts'
import type { LinkName } from './host.ts'
import type { MessageKind } from './kinds.ts'
import type { WorldCard, WorldHousehold } from './world.ts'

/** An answer as a terminal got it: the fields that the switch sets itself. */
export interface Answer {
  readonly atMs: number
  readonly mti: string
  /** DE39 */
  readonly code: string
  /** DE4, 38, 48, 54 and 104, where they are there. */
  readonly own: Readonly<Record<string, string>>
}

/** What a message asks for, in terms that the auditor can reckon with. */
export interface Asked {
  readonly kind: MessageKind
  readonly card: WorldCard | undefined
  readonly household: WorldHousehold | undefined
  readonly amountPiasters: number
  readonly quantity?: number
  readonly days?: number
  /** True instant of a draw that a terminal made on its own. */
  readonly drawnAtMs?: number
  /** The first message of a draw that its terminal sends once more, under another STAN. */
  readonly again?: Sent
  readonly tender?: 'cash' | 'postal'
  /** DE95 */
  readonly replacementPiasters?: number
  /** The message that it follows on. */
  readonly original?: Sent
  /** Whether it names its original by DE90. */
  readonly namesOriginal?: boolean
}

/** A message of a terminal, with all that became of it. */
export interface Sent extends Asked {
  readonly number: number
  readonly link: LinkName
  readonly mti: string
  readonly intent: Intent
  readonly stamps: Stamps
  readonly fields: FieldValues
  readonly key: string
  /** Its MAC is under no key of the link. */
  readonly isForged: boolean
  /** True time at which it was made. */
  readonly sentMs: number
  /** Messages of this content that were put on a wire. */
  instances: number
  readonly answers: Answer[]
  /** The first answer that ends it: neither 91 nor 96. */
  final: Answer | undefined
  /** Its terminal has given up, and something else settles it. */
  isAbandoned: boolean
  timeouts: number
  timer: Timer | undefined
}

/** What tells a message from all others: acquirer, terminal, STAN, DE7 and the class of its type. */
export function keyText(acquirer: string, terminal: string, stan: string, transmission: string, mti: string): string {
  return `${acquirer}|${terminal}|${stan}|${transmission}|${mti[1]}`
}

/** Whether an answer says that nothing was decided. */
export function isUndecided(code: string): boolean {
  return code === '91' || code === '96' || code === '63'
}

export function isApproved(code: string | undefined): boolean {
  return code === '00' || code === '10'
}
