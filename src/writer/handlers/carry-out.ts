import type { BatchBuilder } from '../batch-builder.ts'
import type { Chore } from '../chores.ts'
import type { HouseholdCache } from '../household-cache.ts'
import type { LaneRules } from '../lane-rules.ts'
import { creditBenefit, grantBenefit, linkAccount, noteFingerprint } from './account-commands.ts'
import { changeStatus, resetPin } from './card-commands.ts'
import { type Handler, type Outcome, refused } from './command.ts'
import { closeDay } from './day-commands.ts'
import { creditDispute } from './dispute-commands.ts'
import {
  addPerson,
  changeClasses,
  changeHead,
  changeStanding,
  moveHousehold,
  openHousehold,
  removePerson,
} from './household-commands.ts'
import {
  activateCard,
  announceCard,
  applyAgain,
  cancelIssue,
  extendCollection,
  handOutCard,
  orderCard,
  takePrintedCard,
} from './issuance-commands.ts'
import { addDevice, refundFee, removeDevice, replaceCard, reportCard } from './report-commands.ts'
import { postSettlement } from './settlement-commands.ts'
import { addException, endException, sendCode } from './verification-commands.ts'

const OUTCOME_MAX = 500

const handlers: Readonly<Record<string, Handler | undefined>> = {
  'pin-reset': resetPin,
  'card-status': changeStatus,
  'household-open': openHousehold,
  'household-terms': changeStanding,
  'household-classes': changeClasses,
  'household-move': moveHousehold,
  'person-add': addPerson,
  'person-remove': removePerson,
  'person-head': changeHead,
  'account-link': linkAccount,
  'fingerprint-note': noteFingerprint,
  'card-apply': applyAgain,
  'card-order': orderCard,
  'card-printed': takePrintedCard,
  'card-ready': announceCard,
  'notice-extend': extendCollection,
  'notice-expire': cancelIssue,
  'card-collected': handOutCard,
  'card-activate': activateCard,
  'order-cancel': cancelIssue,
  'card-report': reportCard,
  'card-replace': replaceCard,
  'device-token-add': addDevice,
  'device-token-remove': removeDevice,
  'benefit-credit': creditBenefit,
  'benefit-grant': grantBenefit,
  'fee-refund': refundFee,
  'one-time-code': sendCode,
  'exception-add': addException,
  'exception-end': endException,
  'settlement-post': postSettlement,
  'close-day': closeDay,
  'dispute-credit': creditDispute,
}

/**
 * Carries a command of the inbox out. Whatever becomes of it, the command is ended in this batch, with a row of the
 * journal that says who asked and what came of it.
 */
export function carryOut(
  chore: Chore & { kind: 'command' },
  builder: BatchBuilder,
  cache: HouseholdCache,
  rules: LaneRules,
): void {
  const { command, householdKey: key, refusal } = chore
  const household = key === undefined ? undefined : cache.getHousehold(key)
  if (household !== undefined) builder.touch(household)
  const { atMs: nowMs, entitlementDate } = builder.head
  const card = household?.cards.find(({ id }) => id === command.cardId)
  const context = { command, household, card, builder, rules, nowMs, entitlementDate }
  const { done, words, note } = refusal === undefined ? handlerOf(command.kind)(context) : refused(refusal)
  const outcome = `${done ? 'done' : 'refused'}: ${words}`.slice(0, OUTCOME_MAX)
  builder.addCommand(command, household, outcome, note)
}

function handlerOf(kind: string): Handler {
  return (Object.hasOwn(handlers, kind) ? handlers[kind] : undefined) ?? unknownCommand
}

function unknownCommand(): Outcome {
  return refused('there is no such command')
}
