/**
 * What the database's rules mean for whoever asked, by the name of the rule. A command is decided on what is in memory;
 * what only the database knows, such as another household of the same person, it says in the commit.
 */
const wordsByConstraint: Readonly<Record<string, string>> = {
  benefit_credit_once: 'the household has had this credit for the month',
  card_order_open: 'another card is being made for the household',
  card_order_state: 'the order has gone on meanwhile: look at it again',
  card_pan_index: 'there is a card with this number already',
  dispute_credit_once:
    'the dispute has had its credit or has gone on meanwhile, or its money came back otherwise: look at it again',
  device_token_device: 'the household has this telephone already',
  household_event_line_key_key: 'the same change was made already',
  household_member_head: 'the household has a head already',
  household_member_known: 'the person is no member of the household',
  household_member_one: 'the person is a member of a household already',
  postal_link_account: 'the account is linked to another household',
}

/** A rule of the database in words; undefined when it is one of the program's own, which nobody should ever meet. */
export function constraintInWords(constraint: string): string | undefined {
  return Object.hasOwn(wordsByConstraint, constraint) ? wordsByConstraint[constraint] : undefined
}
