import { Type } from 'typebox'
import { lastOpenDate, periodOf } from '../../benefit/entitlement.ts'
import { monthOf } from '../../calendar.ts'
import { type AccountPlace, accountPlaces, balanceOf, type Household, termOn } from '../../card/household.ts'
import { kindOf, moneyAccount, moneyKinds, subsidyAccount } from '../../ledger/accounts.ts'
import { transfer } from '../../ledger/transfer.ts'
import { formatQuantity } from '../../money.ts'
import type { LaneRules } from '../lane-rules.ts'
import { done, type Handler, refused } from './command.ts'
import { atHousehold, parts } from './detail.ts'

const linkSchema = Type.Object({
  asked: Type.Optional(Type.String()),
  accountKind: Type.Union([Type.Literal('new'), Type.Literal('existing')]),
  /** IBAN with all but its ends hidden, and its keyed hash. */
  masked: Type.String({ pattern: '^EG[*0-9]{4,30}$' }),
  index: Type.String({ pattern: '^[0-9a-f]{32}$' }),
  source: parts.source,
  /** The application that waited for the account. */
  order: Type.Optional(parts.id),
  /** Where it is held from now on; absent = where it was. */
  heldAt: Type.Optional(Type.Union(accountPlaces.map((place) => Type.Literal(place)))),
})

/** Names the Egypt Post account behind the household's money, one that was opened or one that there was (M13). */
export const linkAccount: Handler = atHousehold(
  linkSchema,
  (detail, { household, builder, command, rules, entitlementDate }) => {
    const { accountKind, masked, index, source, order, heldAt } = detail
    const refusal = heldAt === undefined ? undefined : placeRefusal(heldAt, household, rules)
    if (refusal !== undefined) return refused(refusal)
    if (heldAt !== undefined && heldAt !== household.accountAt) {
      household.accountAt = heldAt
      builder.change('account-place', { household: household.id, place: heldAt })
    }
    const { requestedBy: actor } = command
    builder.change('account-link', { household: household.id, accountKind, masked, index, actor })
    builder.change('household-event', {
      household: household.id,
      event: 'account-linked',
      effective: entitlementDate,
      countsFrom: entitlementDate,
      reasonCode: `${accountKind}-account`,
      actor,
      source,
    })
    if (order !== undefined) {
      const step = { household: household.id, order, was: 'applied', state: 'account-linked', actor }
      builder.change('order-step', step)
    }
    const at = household.accountAt === 'host' ? ', held at the account host' : ''
    return done(`the ${accountKind} postal account ${masked} is linked${at}`, {
      accountKind,
      heldAt: household.accountAt,
    })
  },
)

/** Why an account cannot be held somewhere else: money that is here, or on its way, would be in neither place. */
function placeRefusal(place: AccountPlace, household: Household, { policy }: LaneRules): string | undefined {
  if (place === household.accountAt) return undefined
  if (place === 'host' && policy.accountHost === undefined) return 'there is no account host: set accountHost'
  if (household.holds.length > 0) return 'there are open holds on the account: wait until they end'
  const money: readonly number[] = [moneyKinds.postalAccount, moneyKinds.householdDebt]
  const hasMoney = household.balances.some(({ account, posted }) => money.includes(kindOf(account)) && posted !== 0)
  return hasMoney ? 'the account has money or a debt here: it must be empty to be held elsewhere' : undefined
}

const stepSchema = Type.Object({ asked: Type.Optional(Type.String()), order: parts.id, person: parts.id })

/** Notes that the head's fingerprint is enrolled, so that the card can be ordered. */
export const noteFingerprint: Handler = atHousehold(
  stepSchema,
  ({ order, person }, { household, builder, command }) => {
    const [was, state] = ['account-linked', 'fingerprint-enrolled']
    builder.change('order-step', { household: household.id, order, was, state, actor: command.requestedBy })
    return done('the fingerprint is enrolled', { order, person })
  },
)

const creditSchema = Type.Object({
  asked: Type.Optional(Type.String()),
  programme: Type.String({ maxLength: 32 }),
  month: Type.Integer({ minimum: 200_001, maximum: 299_912 }),
  piasters: parts.piasters,
  reason: parts.reason,
})

/** Pays money of a programme of kind credit into the postal account, once for its month (M21). */
export const creditBenefit: Handler = atHousehold(creditSchema, (detail, context) => {
  const { household, builder, command, rules, entitlementDate } = context
  const { month, piasters, reason } = detail
  const programme = rules.programmesOn(entitlementDate).byCode(detail.programme)
  if (programme?.kind !== 'credit') return refused('there is no such programme that pays money')
  if (month > monthOf(entitlementDate)) return refused('the month has not begun')
  if (piasters > programme.maxPiasters) {
    return refused(`${programme.code} pays at most ${formatQuantity(programme.maxPiasters, 'EGP')} at once`)
  }
  if (termOn(household, entitlementDate).status === 'suspended') return refused('the household is suspended')
  const funds = moneyAccount('stateFunds', programme.number)
  const credit = transfer('benefitCredit', funds, moneyAccount('postalAccount', household.id), piasters)
  builder.post([credit], household, rules.policy.accountHost)
  builder.change('benefit-credit', {
    household: household.id,
    programme: programme.number,
    month,
    perMonth: programme.perMonth,
    amount: piasters,
    actor: command.requestedBy,
    reason,
  })
  builder.notify(household.id, 'account-credited', { amount: piasters, programme: programme.name })
  return done(`${formatQuantity(piasters, 'EGP')} of ${programme.code} for ${month} in the postal account`, {
    programme: programme.code,
    month,
    piasters,
    reason,
  })
})

const grantSchema = Type.Object({
  asked: Type.Optional(Type.String()),
  programme: Type.String({ maxLength: 32 }),
  amount: parts.piasters,
  reason: parts.reason,
})

/** The most that an official grants at once, in the programme's unit: beyond it is a mistake of the keyboard. */
const GRANT_MAX = 1_000_000

/**
 * Credits a wallet for its current period: of a programme that has no rule of its own and only gives what is granted.
 */
export const grantBenefit: Handler = atHousehold(grantSchema, (detail, context) => {
  const { household, builder, rules, entitlementDate } = context
  const { amount, reason } = detail
  const programme = rules.programmesOn(entitlementDate).wallet(detail.programme)
  if (programme === undefined) return refused('there is no such programme of goods')
  const { perMember, tiers, perHousehold } = programme.entitlement
  if ((perMember ?? tiers ?? perHousehold) !== undefined) {
    return refused(`${programme.code} gives by its rule: what is granted needs a programme without one`)
  }
  if (programme.atPeriodEnd.action === 'convert' || amount > GRANT_MAX) return refused('so much cannot be granted')
  const period = periodOf(programme, entitlementDate)
  const wallet = subsidyAccount('wallet', programme.unit, programme.number, household.id)
  if (balanceOf(household, wallet, period) !== undefined) {
    return refused(`the household has had ${programme.code} for ${period}`)
  }
  const funding = subsidyAccount('funding', programme.unit, programme.number, 0)
  builder.post([transfer('entitlementIssue', funding, wallet, amount, period)], household)
  builder.notify(household.id, 'entitlement-granted', {
    programme: programme.name,
    amount: { amount, unit: programme.unit },
    until: lastOpenDate(programme, period),
  })
  return done(`${amount} of ${programme.code} granted for ${period}`, {
    programme: programme.code,
    period,
    amount,
    reason,
  })
})
