import { Type } from 'typebox'
import { balanceOf } from '../../card/household.ts'
import { moneyAccount } from '../../ledger/accounts.ts'
import { availableOf, transfer } from '../../ledger/transfer.ts'
import { formatQuantity } from '../../money.ts'
import { done, type Handler, refused } from './command.ts'
import { atHousehold, parts } from './detail.ts'

const creditSchema = Type.Object({
  asked: Type.Optional(Type.String()),
  dispute: parts.id,
  piasters: parts.piasters,
  /** A credit until the dispute is decided, one that stays because it is won, or what is taken back because it is lost. */
  what: Type.Union([Type.Literal('credit'), Type.Literal('accept'), Type.Literal('lose')]),
})

/** Pays disputed money to its household, or takes it back, each once in the life of a dispute. */
export const creditDispute: Handler = atHousehold(creditSchema, (detail, { household, builder, command, rules }) => {
  const { dispute, piasters, what } = detail
  const postal = moneyAccount('postalAccount', household.id)
  const disputes = moneyAccount('disputes', 0)
  const amount = formatQuantity(piasters, 'EGP')
  if (what === 'lose') {
    const balance = balanceOf(household, postal, 0)
    const available = balance === undefined ? 0 : availableOf(balance)
    if (household.accountAt === 'host') return refused('the account is held at the account host: take it back there')
    if (available < piasters) return refused(`the postal account does not hold ${amount}: try again when it does`)
  }
  const posting =
    what === 'lose'
      ? transfer('disputeCreditReversal', postal, disputes, piasters)
      : transfer('disputeCredit', disputes, postal, piasters)
  const id = builder.post([posting], household, rules.policy.accountHost)
  const actor = command.requestedBy
  builder.change('dispute-credit', { id, dispute, household: household.id, amount: piasters, what, actor })
  if (what !== 'lose') builder.notify(household.id, 'account-credited', { amount: piasters })
  const words =
    what === 'lose' ? `${amount} of dispute ${dispute} are taken back` : `${amount} of dispute ${dispute} are paid`
  return done(words, { dispute, piasters, what })
})
