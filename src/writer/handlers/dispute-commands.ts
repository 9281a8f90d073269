import { Type } from 'typebox'
import { balanceOf } from '../../card/household.ts'
import { type AccountNumber, moneyAccount } from '../../ledger/accounts.ts'
import { availableOf, type Transfer, transfer } from '../../ledger/transfer.ts'
import { formatQuantity } from '../../money.ts'
import { done, type Handler, refused } from './command.ts'
import { atHousehold, parts } from './detail.ts'

const creditSchema = Type.Object({
  asked: Type.Optional(Type.String()),
  dispute: parts.id,
  piasters: parts.piasters,
  /**
   * A credit until the dispute is decided, one that stays because it is won, or what is taken back because it is lost.
   * A dispute that is withdrawn gives the network its money again, and takes a credit back with it.
   */
  what: Type.Union([Type.Literal('credit'), Type.Literal('accept'), Type.Literal('lose'), Type.Literal('withdraw')]),
  /** Of a withdrawal: whether the household was credited, and the account of the network. */
  credited: Type.Optional(Type.Boolean()),
  network: Type.Optional(parts.id),
})

const outcomes = {
  credit: 'are paid',
  accept: 'are paid',
  lose: 'are taken back',
  withdraw: 'go back to the network',
} as const

/** Pays disputed money to its household, or takes it back, each once in the life of a dispute. */
export const creditDispute: Handler = atHousehold(creditSchema, (detail, { household, builder, command, rules }) => {
  const { dispute, piasters, what, credited = false, network } = detail
  const postal = moneyAccount('postalAccount', household.id)
  const disputes = moneyAccount('disputes', 0)
  const amount = formatQuantity(piasters, 'EGP')
  const takesBack = what === 'lose' || (what === 'withdraw' && credited)
  if (takesBack) {
    const balance = balanceOf(household, postal, 0)
    const available = balance === undefined ? 0 : availableOf(balance)
    if (household.accountAt === 'host') return refused('the account is held at the account host: take it back there')
    if (available < piasters) return refused(`the postal account does not hold ${amount}: try again when it does`)
  }
  const postings: Transfer[] = []
  if (takesBack) postings.push(transfer('disputeCreditReversal', postal, disputes, piasters))
  else if (what !== 'withdraw') postings.push(transfer('disputeCredit', disputes, postal, piasters))
  if (what === 'withdraw') {
    if (network === undefined) return refused('a withdrawal names the account of the network')
    postings.push(transfer('representment', disputes, network as AccountNumber, piasters))
  }
  const id = builder.post(postings, household, rules.policy.accountHost)
  const actor = command.requestedBy
  builder.change('dispute-credit', { id, dispute, household: household.id, amount: piasters, what, actor, credited })
  const isPaid = what === 'credit' || what === 'accept'
  if (isPaid) builder.notify(household.id, 'account-credited', { amount: piasters })
  return done(`${amount} of dispute ${dispute} ${outcomes[what]}`, { dispute, piasters, what })
})
