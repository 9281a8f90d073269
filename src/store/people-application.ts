import { MizanError } from '../errors.ts'
import type { CommandState } from './command-requests.ts'
import { askOnce, nextNumber, type PeopleActor, type PeopleDesk } from './people-desk.ts'

interface Standing {
  /** The order that is under way. */
  readonly open: string | null
  /** Whether there is a card that no cancelled issue has left. */
  readonly had_card: boolean
  readonly linked: boolean
  readonly enrolled: boolean
}

/**
 * Begins the issue of a household's first card anew after it was cancelled (RU-9). The account that is linked and the
 * fingerprint that is enrolled still hold.
 * @returns the command, whose detail has the number of the new order
 * @throws MizanError BAD_INPUT when an issue is under way, or the household has had a card
 */
export function applyAgain(desk: PeopleDesk, householdId: number, actor: PeopleActor): Promise<CommandState> {
  return askOnce(desk, { kind: 'card-apply', householdId, input: [householdId] }, actor, async () => {
    const { open, had_card: hadCard, linked, enrolled } = await standingOf(desk, householdId)
    if (open !== null) throw new MizanError('BAD_INPUT', `order ${open} of the household is under way: one at a time`)
    if (hadCard) throw new MizanError('BAD_INPUT', 'the household has had a card: order a replacement')
    const state = !linked ? 'applied' : enrolled ? 'fingerprint-enrolled' : 'account-linked'
    return { order: await nextNumber(desk, 'card_order'), state }
  })
}

async function standingOf({ client }: PeopleDesk, householdId: number): Promise<Standing> {
  const { rows } = await client.query<Standing>(
    `select (select max(id) from card_order where household_id = $1
              and state not in ('active', 'cancelled')) as open,
            exists (select from card c where c.lane = h.lane and c.household_id = h.id and c.kind = 'family'
              and not exists (select from card_order o where o.card_id = c.id and o.state = 'cancelled')) as had_card,
            exists (select from postal_link where household_id = h.id and unlinked_at is null) as linked,
            exists (select from household_member m join fingerprint f using (person_id)
              where m.household_id = h.id and m.role = 'head' and m.to_date is null) as enrolled
     from installation i join household h on h.lane = ($1::bigint % i.lane_count)::smallint and h.id = $1`,
    [householdId],
  )
  const [row] = rows
  if (row === undefined) throw new MizanError('NOT_FOUND', `there is no household ${householdId}`)
  return row
}
