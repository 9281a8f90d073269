import { Type } from 'typebox'
import { addDays, civilDate, formatDate } from '../../calendar.ts'
import { MizanError } from '../../errors.ts'
import { findProgramme } from '../../store/programme-reader.ts'
import { lastMonth, lastOf, type ReplaySpan, replayCandidate } from '../../store/programme-replay.ts'
import {
  addSimulation,
  listSimulations,
  type ProgrammeSimulation,
  readSimulation,
  simulationStates,
} from '../../store/programme-simulations.ts'
import { instantOf, pageById } from '../cursor.ts'
import { dayOf } from '../days.ts'
import { changeOnce } from '../once.ts'
import { ok, type Route, route } from '../route.ts'
import { date, id, instant, orNull, pageOf, paging, shape } from '../shapes.ts'
import { programmeCode, programmeVersion } from './programmes.ts'

const tag = 'programmes'
/** The journal of a quarter: what is decided again takes about as long as it took to be decided once. */
const SPAN_DAYS_MAX = 92

const count = (description: string) => Type.Integer({ minimum: 0, description })
const byRule = (description: string) => Type.Record(Type.String(), Type.Integer({ minimum: 0 }), { description })
const beforeAndAfter = (description: string) =>
  Type.Object({ before: Type.Integer(), after: Type.Integer() }, { additionalProperties: false, description })

const report = shape({
  code: Type.String(),
  version: Type.Integer(),
  comparedWith: orNull(
    Type.Integer({ description: 'Version that decides on the last date; null = the programme is new.' }),
  ),
  from: date('First entitlement date.'),
  to: date('Last entitlement date.'),
  draws: count('Draws on the programme.'),
  households: count('Households that made them.'),
  asRecorded: count(
    'Draws that come out as the journal has them under the rules of their dates: how far to trust the rest.',
  ),
  changed: shape({
    declined: byRule('Approvals that would be declined, by the rule that would decide.'),
    approved: byRule('Declines that would be approved, by the rule that decided.'),
    elsewhere: count('Draws on other programmes that would come out otherwise.'),
    otherAmount: count('Approvals that would be of more or less.'),
    households: count('Households affected.'),
  }),
  drawn: beforeAndAfter('Taken from wallets, in the unit of the programme.'),
  piasters: beforeAndAfter('Granted of the amounts of the messages.'),
})

const simulationShape = shape({
  simulationId: Type.Integer(),
  code: Type.String(),
  version: Type.Integer(),
  checksum: Type.String({ description: 'SHA-256 of the content that is tried out.' }),
  from: date('First entitlement date.'),
  to: date('Last entitlement date.'),
  askedBy: Type.String(),
  askedAt: instant('When'),
  attempts: Type.Integer({ minimum: 0 }),
  state: Type.Enum([...simulationStates]),
  messages: count('Messages of the journal read so far.'),
  endedAt: orNull(instant('When it was done')),
  report: orNull(report),
  words: orNull(Type.String({ description: 'Why it failed, or its last attempt did.' })),
})

function view(simulation: ProgrammeSimulation) {
  const { code, version, checksum, from, to, askedBy, attempts, state, messages } = simulation
  return {
    simulationId: simulation.id,
    ...{ code, version, checksum, askedBy, attempts, state, messages },
    from: formatDate(from),
    to: formatDate(to),
    askedAt: instantOf(simulation.askedAtMs) ?? '',
    endedAt: instantOf(simulation.endedAtMs),
    report: simulation.report ?? null,
    words: simulation.words ?? null,
  }
}

function spanOf({ from, to }: { from?: string; to?: string }, nowMs: number): ReplaySpan {
  const first = from === undefined ? lastMonth(civilDate(nowMs)).from : dayOf(from)
  const last = to === undefined ? lastOf(first) : dayOf(to)
  if (last < first) throw new MizanError('BAD_INPUT', 'the last date is before the first')
  if (last > addDays(first, SPAN_DAYS_MAX)) {
    throw new MizanError('BAD_INPUT', `a simulation is of ${SPAN_DAYS_MAX} days after its first date at most`)
  }
  return { from: first, to: last }
}

/** What a version would have done to past draws, before somebody agrees to publish it. */
export const programmeSimulationRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/programmes/{code}/versions/{version}/simulations',
    tag,
    summary: 'decide past draws again under a version, as if it had decided then; changes nothing',
    description:
      'Answers at once; the job programme-simulations reads the journal within minutes, in the process for heavy work, and the simulation has its report then. The same that waits already is one.',
    params: shape({ code: programmeCode, version: programmeVersion }),
    body: shape({
      from: Type.Optional(date('First entitlement date; absent = the first of last month.')),
      to: Type.Optional(date('Last entitlement date; absent = the last of the month of the first.')),
    }),
    answers: { 202: simulationShape },
    changes: true,
    handler: (call) =>
      changeOnce(call, async (client) => {
        const { params, body, actor, services } = call
        const span = spanOf(body, services.clock.now())
        const { code, version, checksum, file } = await findProgramme(client, params.code, params.version)
        replayCandidate(file)
        const simulation = await addSimulation(client, { code, version, checksum, ...span, askedBy: actor.id })
        return {
          answer: {
            status: 202,
            body: view(simulation),
            headers: { location: `/api/v1/programme-simulations/${simulation.id}` },
          },
          outcome: 'accepted',
          detail: { simulation: simulation.id, programme: code, version, checksum },
        }
      }),
  }),
  route({
    method: 'GET',
    path: '/programmes/{code}/simulations',
    tag,
    summary: 'list the simulations of a programme, the newest first',
    params: shape({ code: programmeCode }),
    query: shape({ version: Type.Optional(programmeVersion), ...paging }),
    answers: { 200: pageOf(simulationShape) },
    handler: async ({ services, params, query }) => {
      const filter = { code: params.code, version: query.version }
      const read = (range: { limit: number }) =>
        services.database.read((client) => listSimulations(client, { ...filter, ...range }))
      return ok(await pageById(query, read, view))
    },
  }),
  route({
    method: 'GET',
    path: '/programme-simulations/{simulationId}',
    tag,
    summary: 'show how far a simulation has come, and its report when it is done',
    params: shape({ simulationId: id('Number of the simulation.') }),
    answers: { 200: simulationShape },
    handler: async ({ services, params }) =>
      ok(view(await services.database.read((client) => readSimulation(client, params.simulationId)))),
  }),
]
