import { Type } from 'typebox'
import { addDays, civilDate } from '../calendar.ts'
import { householdStatuses } from '../card/household.ts'
import { MizanError } from '../errors.ts'
import type { Client } from '../store/connection.ts'
import { type CardOrder, readOrder } from '../store/people-orders.ts'
import { readHousehold } from '../store/search-households.ts'
import type { ApprovedChange, ChangeKind, Execution } from './changes.ts'
import { dayOf } from './days.ts'
import { date, id, ownerId, shape } from './shapes.ts'

type Payload = Readonly<Record<string, unknown>>

const householdId = ownerId('Number of the household.')
const programme = Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$', description: 'Code of the programme.' })
const sha256 = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the file, in hex.' })
const householdOf = (payload: Payload) => Number(payload.householdId)

/** What `from` of a change of status is: nothing is taken back from a day that has begun. */
export const STATUS_FROM =
  'First day that it counts for, the day after the approval at the earliest; absent = the day after the approval.'

/** The household has to be there when it is asked for; its lane is what the command needs. */
async function householdCommand(
  client: Client,
  { payload, id }: Pick<ApprovedChange, 'payload' | 'id'>,
  kind: string,
  detail: Payload,
): Promise<Execution> {
  const household = await readHousehold(client, householdOf(payload))
  const command = {
    lane: household.lane,
    kind,
    householdId: household.id,
    detail: { ...detail, asked: `change ${id}` },
  }
  return { by: 'command', command }
}

const findHousehold = async (client: Client, payload: Payload) => {
  await readHousehold(client, householdOf(payload))
}

/** The order whose fee is to be paid back. */
async function paidFeeOf(client: Client, payload: Payload): Promise<CardOrder> {
  const order = await readOrder({ client }, Number(payload.orderId))
  if (order.householdId !== householdOf(payload)) {
    throw new MizanError('BAD_INPUT', 'the order is one of another household')
  }
  if (order.feePaid === 'postal' || order.feePaid === 'cash') return order
  throw new MizanError('CONFLICT', order.feePaid === 'none' ? 'no fee was taken' : 'the fee was paid back already')
}

/** What stays in the journal of a household has room for 200 characters. */
const short = (reason: string) => reason.slice(0, 200)

/** Changes of households and what is theirs that need a second person. */
export const householdChangeKinds: Readonly<Record<string, ChangeKind>> = {
  'household-status': {
    what: 'suspend a household, or give it its support again',
    makers: ['enrolment', 'operator'],
    checkers: ['operator'],
    payload: shape({
      householdId,
      status: Type.Enum([...householdStatuses]),
      from: Type.Optional(date(STATUS_FROM)),
    }),
    householdOf,
    validate: async (client, payload) => {
      if (payload.from !== undefined) dayOf(String(payload.from))
      await findHousehold(client, payload)
    },
    execute: (client, request, { clock }) => {
      const { status, from } = request.payload
      const isSuspended = status === 'suspended'
      return householdCommand(client, request, 'household-terms', {
        event: isSuspended ? 'suspended' : 'reinstated',
        // It takes effect on a day and counts from the one after.
        effective: from === undefined ? civilDate(clock.now()) : addDays(dayOf(String(from)), -1),
        reasonCode: isSuspended ? 'suspension' : 'reinstatement',
        reason: short(request.reason),
        source: 'api',
      })
    },
  },
  'benefit-credit': {
    what: 'pay money of a programme into the postal account of a household',
    makers: ['operator'],
    checkers: ['settlement'],
    payload: shape({
      householdId,
      programme,
      month: Type.Integer({ minimum: 200_001, maximum: 299_912, description: 'yyyymm.' }),
      piasters: Type.Integer({ minimum: 1, maximum: 1_000_000_000 }),
    }),
    householdOf,
    validate: async (client, payload) => {
      const month = Number(payload.month) % 100
      if (month < 1 || month > 12) throw new MizanError('BAD_INPUT', 'a month is written yyyymm')
      await findHousehold(client, payload)
    },
    execute: (client, request) => {
      const { programme: code, month, piasters } = request.payload
      const detail = { programme: code, month, piasters, reason: short(request.reason) }
      return householdCommand(client, request, 'benefit-credit', detail)
    },
  },
  'benefit-grant': {
    what: 'credit a wallet of a household for its current period',
    makers: ['operator'],
    checkers: ['settlement'],
    payload: shape({
      householdId,
      programme,
      amount: Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'In the unit of the programme.' }),
    }),
    householdOf,
    validate: findHousehold,
    execute: (client, request) => {
      const { programme: code, amount } = request.payload
      const detail = { programme: code, amount, reason: short(request.reason) }
      return householdCommand(client, request, 'benefit-grant', detail)
    },
  },
  'verification-exception': {
    what: 'let a household draw without the verification that a programme asks for, for a time',
    makers: ['enrolment', 'operator'],
    checkers: ['operator'],
    payload: shape({
      householdId,
      programme: Type.Optional(programme),
      from: date('First day.'),
      until: date('Last day; 92 days after the first at most.'),
    }),
    householdOf,
    validate: async (client, payload) => {
      const [from, until] = [dayOf(String(payload.from)), dayOf(String(payload.until))]
      if (until < from) throw new MizanError('BAD_INPUT', 'until: not before from')
      await findHousehold(client, payload)
    },
    execute: (client, request) => {
      const { programme: code, from, until } = request.payload
      return householdCommand(client, request, 'exception-add', {
        id: request.id,
        ...(code === undefined ? {} : { programme: code }),
        from: dayOf(String(from)),
        until: dayOf(String(until)),
        reason: short(request.reason),
      })
    },
  },
  'fee-refund': {
    what: 'pay the fee of a replaced card back into the postal account of its household',
    makers: ['enrolment', 'operator'],
    checkers: ['settlement'],
    payload: shape({ householdId, orderId: id('Number of the order of the card.') }),
    householdOf,
    validate: async (client, payload) => void (await paidFeeOf(client, payload)),
    execute: async (client, request) => {
      const { id: order, feePiasters: piasters } = await paidFeeOf(client, request.payload)
      return householdCommand(client, request, 'fee-refund', { order, piasters, reason: short(request.reason) })
    },
  },
  'membership-file': {
    what: 'apply a file that changes who is a member of which household',
    makers: ['enrolment'],
    checkers: ['enrolment', 'operator'],
    payload: shape({ sha256 }),
    execute: async (_, { payload }) => ({ by: 'change', result: `the file ${payload.sha256} may be applied` }),
  },
}
