import { type Result, responseCodes } from '../authorization/result.ts'
import type { CivilDate } from '../calendar.ts'
import { assert, MizanError } from '../errors.ts'
import type { ChipCard } from './chip-card.ts'
import type { Answer, Counterparty, Exchanged } from './counterparty.ts'
import type { World, WorldOutlet } from './demo-files.ts'
import type { Stamps, TestTerminal } from './messages.ts'
import type { TerminalRecord } from './network-clearing.ts'
import { isAuthentic } from './presentment.ts'

/** One exchange of the tour, with what it should have come to. */
export interface TourStep {
  readonly title: string
  /** Who asks: the rail and the place. */
  readonly who: string
  readonly mti: string
  /** The household's card; undefined for network management. */
  readonly pan: string | undefined
  readonly amountPiasters: number | undefined
  /** Loaves drawn. */
  readonly quantity: number | undefined
  readonly stamps: Stamps | undefined
  readonly answer: Answer
  readonly expected: Result
  /** DE39 of `expected` in the rail's dialect. */
  readonly expectedCode: string
  /** What is checked beyond the code, and whether it held; undefined when the code says it all. */
  readonly check: { readonly what: string; readonly holds: boolean } | undefined
  /** What the shop sends for clearing, of a purchase that stays held until the network presents it. */
  readonly clearing?: TerminalRecord
}

/** Whether a step came out as it should. */
export function isAsExpected(step: TourStep): boolean {
  return step.answer.code === step.expectedCode && step.check?.holds !== false
}

/** An outlet and one of its terminals. */
export interface Place {
  readonly terminal: TestTerminal
  readonly outlet: WorldOutlet
}

/** The sign-on of a link. */
export function networkStep(counterparty: Counterparty): TourStep {
  const answer = counterparty.signedOn
  assert(answer !== undefined, 'a counterparty of a tour signs on when it connects')
  return {
    title: `The ${counterparty.rail.name} link signs on`,
    who: counterparty.rail.dialect,
    mti: '0800',
    pan: undefined,
    amountPiasters: undefined,
    quantity: undefined,
    stamps: undefined,
    answer,
    expected: 'approved',
    expectedCode: '00',
    check: undefined,
  }
}

/**
 * An exchange and what it should have come to.
 * @param more what was expected beyond an approval; with the chip that is to take the answer
 */
export function stepOf(
  title: string,
  counterparty: Counterparty,
  { outlet }: Place,
  { sent, answer }: Exchanged,
  more: { expected?: Result; quantity?: number; check?: Check; chip?: ChipCard } = {},
): TourStep {
  const { expected = 'approved', chip } = more
  const checks = [
    ...(more.check === undefined ? [] : [more.check]),
    ...(chip === undefined ? [] : [chipCheck(chip, answer)]),
  ]
  return {
    title,
    who: `${counterparty.rail.name}, ${outlet.category} ${outlet.acceptorId} (${outlet.governorate})`,
    mti: sent.mti,
    pan: sent.intent.card.pan,
    amountPiasters: sent.intent.amountPiasters,
    quantity: more.quantity,
    stamps: sent.stamps,
    answer,
    expected,
    expectedCode: responseCodes(counterparty.rail.dialect)[expected],
    check:
      checks.length === 0
        ? undefined
        : { what: checks.map(({ what }) => what).join('; '), holds: checks.every(({ holds }) => holds) },
  }
}

type Check = NonNullable<TourStep['check']>

/** The card takes its answer. */
function chipCheck(chip: ChipCard, answer: Answer): Check {
  const taken = chip.receive(answer.chip)
  const what =
    taken.authentication === 'absent'
      ? 'the card gets no answer'
      : `the card knows its issuer's answer (ATC ${chip.atc})`
  return { what, holds: isAuthentic(taken, answer) }
}

/** What a place's terminal knows of a purchase, and its acquirer sends to the network. */
export function clearingOf(
  { sent, answer }: Exchanged,
  { terminal }: Place,
  { rail }: Counterparty,
  date: CivilDate,
): TerminalRecord {
  return {
    pan: sent.intent.card.pan,
    type: 'purchase',
    amountPiasters: sent.intent.amountPiasters ?? 0,
    date,
    approvalCode: answer.text(38) ?? '',
    transactionId: '',
    rrn: sent.stamps.rrn,
    terminal: terminal.terminalId,
    acceptor: terminal.acceptorId,
    mcc: terminal.mcc,
    acquirer: rail.acquirer.slice(-6).padStart(6, '0'),
  }
}

/** The first outlet of a category in a governorate. */
export function placeOf(world: World, category: WorldOutlet['category'], governorate: string): Place {
  const outlet = world.outlets.find((one) => one.category === category && one.governorate === governorate)
  const terminalId = outlet?.terminals[0]
  if (outlet === undefined || terminalId === undefined) {
    throw new MizanError('NOT_FOUND', `the demo world has no ${category} in ${governorate}`)
  }
  return { outlet, terminal: { acceptorId: outlet.acceptorId, terminalId, mcc: outlet.mcc } }
}
