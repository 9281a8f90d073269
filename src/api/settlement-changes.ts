import { Type } from 'typebox'
import { outletCategories } from '../benefit/programme-schema.ts'
import { parseDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import {
  type InstitutionKind,
  institutionKinds,
  type SettlementAuthor,
  type StoredCycle,
  setPayoutCycle,
  setSettlementBank,
  setSettlementInstitution,
} from '../store/clearing/settlement-master.ts'
import { cancelInstruction, liftSuspension } from '../store/clearing/settlement-outcomes.ts'
import { readRunFiles, releaseInstructions, requireReleasable } from '../store/clearing/settlement-release.ts'
import { findOutlet } from '../store/outlet-store.ts'
import type { ApprovedChange, ChangeKind } from './changes.ts'
import { dayOf } from './days.ts'
import { date, shape } from './shapes.ts'

type Payload = Readonly<Record<string, unknown>>

const settles = { makers: ['settlement'], checkers: ['settlement'] } as const
const name = Type.String({
  pattern: "^[A-Za-z0-9/?:().,'+ -]{1,70}$",
  description: 'In the Latin set of payment messages.',
})
const account = Type.String({ pattern: '^[A-Z0-9]{4,34}$', description: 'IBAN without blanks, or another number.' })
const bank = Type.Integer({ minimum: 1, maximum: 99_999, description: 'Number of the settlement bank.' })
const from = date('First business date that it counts for.')
const owner = Type.Integer({ minimum: 0, maximum: 99_999_999_999 })
const acceptor = Type.String({ pattern: '^[!-~]([ -~]{0,13}[!-~])?$', description: 'Outlet (DE42).' })
const endToEndId = Type.String({ pattern: '^[A-Z0-9-]{1,35}$', description: 'EndToEndId of the instruction.' })
const cycleNumber = Type.Integer({ minimum: 1, maximum: 99, description: 'Run of the date.' })

function authorOf({ maker, checker, reason }: ApprovedChange): SettlementAuthor {
  return { actor: `${maker} + ${checker}`.slice(0, 64), reason }
}

const runOf = (payload: Payload) => ({
  businessDate: dayOf(String(payload.businessDate)),
  cycle: Number(payload.cycle),
})

const datedFrom = async (_: unknown, payload: Payload) => void dayOf(String(payload.from))

/** Changes of settlement that need a second person. */
export const settlementChanges: Readonly<Record<string, ChangeKind>> = {
  'settlement-bank': {
    ...settles,
    what: 'set a settlement bank from a date on',
    payload: shape({
      number: bank,
      code: Type.String({ pattern: '^[A-Z0-9]{2,11}$', description: 'As outlets name their bank.' }),
      bic: Type.String({ pattern: '^[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?$' }),
      name,
      account,
      from,
    }),
    validate: datedFrom,
    execute: async (client, request) => {
      const { number, code, bic, name: called, account: ours, from: day } = request.payload
      const term = {
        number: Number(number),
        code: String(code),
        bic: String(bic),
        name: String(called),
        account: String(ours),
      }
      await setSettlementBank(client, { ...term, from: parseDate(String(day)) }, authorOf(request))
      return { by: 'change', result: `bank ${term.number} (${term.code}) is set from ${day}` }
    },
  },
  'settlement-institution': {
    ...settles,
    what: 'set where an acquirer, a card scheme, a post office or a wholesaler settles, from a date on',
    payload: shape({
      kind: Type.Enum([...institutionKinds]),
      institution: owner,
      name,
      bank,
      account: Type.Optional(account),
      from,
    }),
    validate: datedFrom,
    execute: async (client, request) => {
      const { kind, institution, name: called, bank: at, account: theirs, from: day } = request.payload
      const term = {
        kind: kind as InstitutionKind,
        institution: Number(institution),
        name: String(called),
        bank: Number(at),
        account: theirs === undefined ? undefined : String(theirs),
        from: parseDate(String(day)),
      }
      await setSettlementInstitution(client, term, authorOf(request))
      return { by: 'change', result: `${term.kind} ${term.institution} settles at bank ${term.bank} from ${day}` }
    },
  },
  'settlement-cycle': {
    ...settles,
    what: 'set when and how outlets of a category are paid, from a date on',
    payload: shape({
      category: Type.Enum([...outletCategories]),
      governorate: Type.Optional(Type.String({ pattern: '^[A-Z]{1,3}$', description: 'Absent = everywhere.' })),
      frequency: Type.Enum(['daily', 'weekly', 'monthly']),
      day: Type.Optional(
        Type.Integer({ minimum: 0, maximum: 31, description: 'Weekly: 0 Sunday to 6. Monthly: 1 to 31.' }),
      ),
      holdbackPermille: Type.Optional(Type.Integer({ minimum: 0, maximum: 500 })),
      releaseDays: Type.Optional(Type.Integer({ minimum: 0, maximum: 366 })),
      wholesaler: Type.Optional(owner),
      from,
    }),
    validate: datedFrom,
    execute: async (client, request) => {
      const { payload } = request
      const cycle = {
        category: payload.category as StoredCycle['category'],
        governorate: String(payload.governorate ?? ''),
        frequency: payload.frequency as StoredCycle['frequency'],
        day: Number(payload.day ?? 0),
        holdbackPermille: Number(payload.holdbackPermille ?? 0),
        releaseDays: Number(payload.releaseDays ?? 0),
        wholesaler: payload.wholesaler === undefined ? undefined : Number(payload.wholesaler),
      }
      await setPayoutCycle(client, { ...cycle, from: parseDate(String(payload.from)) }, authorOf(request))
      return {
        by: 'change',
        result: `outlets of category ${cycle.category} are paid ${cycle.frequency} from ${payload.from}`,
      }
    },
  },
  'settlement-release': {
    ...settles,
    what: 'let the payment instructions of a run go to the banks',
    payload: shape({
      businessDate: date('Business date of the run.'),
      cycle: cycleNumber,
      digest: Type.String({
        pattern: '^[0-9a-f]{64}$',
        description: 'Of its files, as GET /settlement/runs/{date} has it.',
      }),
    }),
    validate: async (client, payload) => {
      const found = await readRunFiles(client, runOf(payload))
      requireReleasable(found)
      if (found.digest !== payload.digest) throw new MizanError('CONFLICT', 'these are not the files of the run')
    },
    execute: async (client, { payload, maker, checker }) => {
      const people = { maker, checker: `user:${checker}` }
      const files = await releaseInstructions(client, runOf(payload), String(payload.digest), people)
      return { by: 'change', result: `released: ${files.map((file) => file.name).join(', ')}`.slice(0, 500) }
    },
  },
  'settlement-cancel': {
    ...settles,
    what: 'take a payment instruction back before its file is released',
    payload: shape({
      endToEndId,
      how: Type.Enum(['cancel', 'hold'], { description: 'hold: the outlet is not paid before people say so.' }),
    }),
    execute: async (client, request) => {
      const { endToEndId: id, how } = request.payload
      const { actor, reason } = authorOf(request)
      const order = { how: how === 'hold' ? ('hold' as const) : ('cancel' as const), actor, reason }
      await cancelInstruction(client, String(id), order)
      return { by: 'change', result: `instruction ${id} is cancelled; what it was to pay is payable again` }
    },
  },
  'payout-resume': {
    ...settles,
    what: 'pay an outlet again whose payouts are stopped',
    payload: shape({ acceptor }),
    validate: async (client, payload) => void (await findOutlet(client, String(payload.acceptor))),
    execute: async (client, request) => {
      const outlet = await findOutlet(client, String(request.payload.acceptor))
      await liftSuspension(client, outlet.id, authorOf(request))
      return { by: 'change', result: `outlet ${outlet.acceptor} is paid again from the next run on` }
    },
  },
}
