import { Type } from 'typebox'
import { type CommandState, readCommand } from '../../store/command-requests.ts'
import { instantOf } from '../cursor.ts'
import { commandName } from '../once.ts'
import { ok, type Route, route } from '../route.ts'
import { instant, orNull, shape } from '../shapes.ts'

/** A command in a list; what it was asked with stays inside. */
export const commandSummaryShape = shape({
  commandId: Type.String(),
  kind: Type.String(),
  requestedBy: Type.String(),
  requestedAt: instant('When it was asked for'),
  state: Type.Enum(['waiting', 'done', 'refused']),
  outcome: orNull(Type.String()),
  endedAt: orNull(instant('When it was carried out or refused')),
  journalId: orNull(Type.Integer()),
})

/** A command as answers show it. */
export function commandSummary(state: CommandState) {
  const { end } = state
  return {
    commandId: commandName(state),
    kind: state.kind,
    requestedBy: state.requestedBy,
    requestedAt: instantOf(state.requestedAtMs),
    state: end === undefined ? 'waiting' : end.done ? 'done' : 'refused',
    outcome: end?.outcome.replace(/^(done|refused): /, '') ?? null,
    endedAt: instantOf(end?.atMs),
    journalId: end?.journalId ?? null,
  }
}

/** What became of what was asked of the writer. */
export const commandRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/commands/{commandId}',
    tag: 'commands',
    summary: 'see what came of a command',
    params: shape({
      commandId: Type.String({
        pattern: '^[0-9]{1,2}-[0-9]{1,15}$',
        description: 'Lane and number, as `Location` said.',
      }),
    }),
    answers: { 200: commandSummaryShape },
    handler: async ({ services, params }) => {
      const [lane, id] = params.commandId.split('-').map(Number)
      return ok(commandSummary(await readCommand(services.database.queryable, lane ?? 0, id ?? 0)))
    },
  }),
]
