import { Type } from 'typebox'
import { civilDate, formatDate } from '../calendar.ts'
import { householdStatuses } from '../card/household.ts'
import { MizanError } from '../errors.ts'
import { nested } from '../store/access-pool.ts'
import { moveDispute, raiseDispute, readDispute } from '../store/clearing/network-disputes.ts'
import type { Client } from '../store/connection.ts'
import { dropOutbound, readOutbound, requireOpen, resendOutbound } from '../store/outbound-desk.ts'
import { findOutlet, saveOutlet } from '../store/outlet-store.ts'
import { type CardOrder, readOrder } from '../store/people-orders.ts'
import { listProgrammes } from '../store/programme-reader.ts'
import { publishProgrammes, withdrawProgramme } from '../store/programme-store.ts'
import { setRollout } from '../store/reference-rollout.ts'
import { readHousehold } from '../store/search-households.ts'
import type { ApprovedChange, ChangeKind, Execution } from './changes.ts'
import { clearingChangeKinds } from './clearing-change-kinds.ts'
import { dayOf } from './days.ts'
import { reconciliationKinds } from './reconciliation-kinds.ts'
import { settlementChanges } from './settlement-changes.ts'
import { date, id, ownerId, shape } from './shapes.ts'

type Payload = Readonly<Record<string, unknown>>

const householdId = ownerId('Number of the household.')
const programme = Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$', description: 'Code of the programme.' })
const sha256 = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the file, in hex.' })
const householdOf = (payload: Payload) => Number(payload.householdId)

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

const versionProperties = {
  code: programme,
  version: Type.Integer({ minimum: 1, maximum: 100_000, description: 'Number of the version.' }),
}

type Version = { readonly code: string; readonly version: number }

function versionsOf(payload: Payload): Version[] {
  return (payload.versions as readonly Version[]).map(({ code, version }) => ({ code, version }))
}

async function requireSubmitted(client: Client, { code, version }: Version): Promise<void> {
  const found = (await listProgrammes(client, { code })).find((one) => one.version === version)
  if (found?.state === 'submitted') return
  throw new MizanError('CONFLICT', `version ${version} of ${code} is ${found?.state ?? 'not there'}: submit it first`)
}

const messageId = id('Number of the queued message.')

const findMessage = async (client: Client, payload: Payload) => {
  const { message } = await readOutbound(client, Number(payload.messageId))
  requireOpen(message)
}

function outboundAuthor({ maker, checker, reason }: ApprovedChange, nowMs: number) {
  return { actor: `${maker} + user:${checker}`, reason, nowMs }
}

/** What stays in the journal of a household has room for 200 characters. */
const short = (reason: string) => reason.slice(0, 200)

/** What moves the money of a dispute, by the writer of its household. */
function disputeMove(what: 'credit' | 'accept' | 'lose', words: string): ChangeKind {
  return {
    what: words,
    makers: ['operator', 'settlement'],
    checkers: ['settlement'],
    payload: shape({ disputeId: id('Number of the dispute.') }),
    validate: async (client, payload) => void (await readDispute(client, Number(payload.disputeId))),
    execute: async (client, { payload, maker, checker }, { clock }) => {
      const disputeId = Number(payload.disputeId)
      const by = { actor: `${maker} + user:${checker}`, nowMs: clock.now() }
      const command = await moveDispute(client, disputeId, what, by)
      if (command !== undefined) return { by: 'command', command }
      return { by: 'change', result: `dispute ${disputeId}: ${what}` }
    },
  }
}

/**
 * What moves money or entitlements, and so needs a second person: who may ask, who may agree, and how it is carried
 * out. A kind is added here and nowhere else.
 */
export const changeKinds: Readonly<Record<string, ChangeKind>> = {
  'household-status': {
    what: 'suspend a household, or give it its support again',
    makers: ['enrolment', 'operator'],
    checkers: ['operator'],
    payload: shape({
      householdId,
      status: Type.Enum([...householdStatuses]),
      from: Type.Optional(date('First day that it counts for; absent = the day of the approval.')),
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
        effective: from === undefined ? civilDate(clock.now()) : dayOf(String(from)),
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
  'programme-publish': {
    what: 'publish submitted versions of programmes; those that need each other together',
    makers: ['operator'],
    checkers: ['operator'],
    payload: shape({ versions: Type.Array(shape(versionProperties), { minItems: 1, maxItems: 20 }) }),
    validate: async (client, payload) => {
      for (const one of versionsOf(payload)) await requireSubmitted(client, one)
    },
    execute: async (client, { payload, checker }, { clock }) => {
      const by = { actor: `user:${checker}`, today: civilDate(clock.now()) }
      const published = await publishProgrammes(client, versionsOf(payload), by)
      const words = published.map(
        ({ code, version, effectiveFrom }) => `${code} version ${version} from ${effectiveFrom}`,
      )
      return { by: 'change', result: `published: ${words.join(', ')}` }
    },
    settled: async ({ refresh }) => refresh?.programmes(),
  },
  'programme-withdraw': {
    what: 'take a published version back that has not begun',
    makers: ['operator'],
    checkers: ['operator'],
    payload: shape(versionProperties),
    execute: async (client, { payload, checker, reason }, { clock }) => {
      const reference = { code: String(payload.code), version: Number(payload.version) }
      const by = { actor: `user:${checker}`, today: civilDate(clock.now()), reason }
      await withdrawProgramme(client, reference, by)
      return { by: 'change', result: `${reference.code} version ${reference.version} is withdrawn` }
    },
    settled: async ({ refresh }) => refresh?.programmes(),
  },
  'rollout-set': {
    what: 'set the date from which a service is live in a governorate',
    makers: ['operator'],
    checkers: ['operator'],
    payload: shape({
      service: programme,
      governorate: Type.String({ pattern: '^[A-Z]{1,3}$', description: 'ISO 3166-2:EG, such as PTS.' }),
      liveFrom: date('First day; later than today takes it back until then.'),
    }),
    execute: async (client, { payload, reason, maker, checker }) => {
      const entry = {
        service: String(payload.service),
        governorate: String(payload.governorate),
        liveFrom: String(payload.liveFrom),
      }
      const services = [...new Set((await listProgrammes(client)).map(({ code }) => code))]
      const by = { actor: `${maker} + ${checker}`.slice(0, 64), reason, services }
      const isChanged = await setRollout(nested(client), entry, by)
      const { service, governorate, liveFrom } = entry
      const verb = isChanged ? 'is' : 'was'
      return { by: 'change', result: `${service} ${verb} live in ${governorate} from ${liveFrom}` }
    },
    settled: async ({ refresh }) => refresh?.reference(),
  },
  'outlet-settlement': {
    what: 'pay an outlet at another bank or account',
    makers: ['settlement'],
    checkers: ['settlement'],
    payload: shape({
      acceptor: Type.String({ pattern: '^[!-~]([ -~]{0,13}[!-~])?$', description: 'Outlet (DE42).' }),
      settlementBank: Type.String({ minLength: 1, maxLength: 40 }),
      settlementAccount: Type.String({ minLength: 1, maxLength: 40 }),
    }),
    validate: async (client, payload) => {
      await findOutlet(client, String(payload.acceptor))
    },
    execute: async (client, { payload, maker, checker }, { clock }) => {
      const acceptor = String(payload.acceptor)
      await findOutlet(client, acceptor)
      const details = {
        settlementBank: String(payload.settlementBank),
        settlementAccount: String(payload.settlementAccount),
      }
      const by = { actor: `${maker} + ${checker}`.slice(0, 64), today: formatDate(civilDate(clock.now())) }
      const { kind } = await saveOutlet(nested(client), { acceptor, details, terminals: [] }, by)
      return { by: 'change', result: `where outlet ${acceptor} is paid is ${kind}` }
    },
    settled: async ({ refresh }) => refresh?.reference(),
  },
  'outlet-file': {
    what: 'load a file of outlets that changes where money goes',
    makers: ['settlement', 'operator'],
    checkers: ['settlement'],
    payload: shape({ sha256 }),
    execute: async (_, { payload }) => ({ by: 'change', result: `the file ${payload.sha256} may be loaded` }),
  },
  'outbound-resend': {
    what: 'send a dead letter again that moves money',
    makers: ['operator', 'settlement'],
    checkers: ['operator', 'settlement'],
    payload: shape({ messageId }),
    validate: findMessage,
    execute: async (client, request, { clock }) => {
      const id = Number(request.payload.messageId)
      await resendOutbound(client, id, outboundAuthor(request, clock.now()))
      return { by: 'change', result: `message ${id} waits to be sent again` }
    },
  },
  'outbound-drop': {
    what: 'never send a message that moves money',
    makers: ['operator', 'settlement'],
    checkers: ['operator', 'settlement'],
    payload: shape({ messageId }),
    validate: findMessage,
    execute: async (client, request, { clock }) => {
      const id = Number(request.payload.messageId)
      await dropOutbound(client, id, outboundAuthor(request, clock.now()))
      return { by: 'change', result: `message ${id} is dropped` }
    },
  },
  'dispute-raise': {
    what: 'dispute what the card network presented: a chargeback',
    makers: ['operator', 'settlement'],
    checkers: ['settlement'],
    payload: shape({
      fileId: id('File of the item.'),
      number: Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'Number of the item in it.' }),
      reasonCode: Type.String({ pattern: '^[0-9]{2}$', description: "The network's reason." }),
      piasters: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 999_999_999_999, description: 'A part of it; absent = all.' }),
      ),
    }),
    execute: async (client, { payload, reason, maker, checker }, { clock }) => {
      const nowMs = clock.now()
      const dispute = await raiseDispute(client, {
        fileId: Number(payload.fileId),
        number: Number(payload.number),
        reasonCode: String(payload.reasonCode),
        reason: short(reason),
        amountPiasters: payload.piasters === undefined ? undefined : Number(payload.piasters),
        raisedBy: maker.slice(0, 64),
        approvedBy: `user:${checker}`.slice(0, 64),
        nowMs,
        businessDate: civilDate(nowMs),
      })
      return { by: 'change', result: `dispute ${dispute.id} is raised` }
    },
  },
  'dispute-credit': disputeMove('credit', 'pay disputed money to its household until the dispute is decided'),
  'dispute-accept': disputeMove('accept', 'end a dispute as won: the household keeps its money'),
  'dispute-lose': disputeMove('lose', 'end a dispute as lost: a credit is taken back'),
  ...settlementChanges,
  ...reconciliationKinds,
  ...clearingChangeKinds,
  'membership-file': {
    what: 'apply a file that changes who is a member of which household',
    makers: ['enrolment'],
    checkers: ['enrolment', 'operator'],
    payload: shape({ sha256 }),
    execute: async (_, { payload }) => ({ by: 'change', result: `the file ${payload.sha256} may be applied` }),
  },
}
