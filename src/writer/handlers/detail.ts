import { type Static, type TSchema, Type } from 'typebox'
import { Value } from 'typebox/value'
import { type CivilDate, isCivilDate } from '../../calendar.ts'
import { type CommandContext, type Handler, type Outcome, refused } from './command.ts'

/** Parts of the details of commands, as the database and the rules take them. */
export const parts = {
  id: Type.Integer({ minimum: 1 }),
  date: Type.Integer({ minimum: 19_000_101, maximum: 29_991_231 }),
  reason: Type.String({ minLength: 1, maxLength: 200 }),
  reasonCode: Type.String({ pattern: '^[a-z][a-z-]{1,31}$' }),
  source: Type.String({ minLength: 1, maxLength: 128 }),
  lastFour: Type.String({ pattern: '^[0-9]{4}$' }),
  piasters: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
} as const

/**
 * A handler of a command whose detail has a schema: one that does not fit is refused with the place that is wrong, and
 * without what stands there.
 */
export function withDetail<S extends TSchema>(
  schema: S,
  work: (detail: Static<S>, context: CommandContext) => Outcome,
): Handler {
  return (context) => {
    const { detail } = context.command
    if (!Value.Check(schema, detail)) {
      const [first] = Value.Errors(schema, detail)
      const where = first === undefined || first.instancePath === '' ? 'the detail' : first.instancePath.slice(1)
      return refused(`${where} of the command is not as it must be`)
    }
    return work(detail as Static<S>, context)
  }
}

/** The context of a command that needs its household. */
export type HouseholdContext = CommandContext & { readonly household: NonNullable<CommandContext['household']> }

/** A handler of a command for a household that there is. */
export function atHousehold<S extends TSchema>(
  schema: S,
  work: (detail: Static<S>, context: HouseholdContext) => Outcome,
): Handler {
  return withDetail(schema, (detail, context) => {
    const { household } = context
    return household === undefined ? refused('there is no such household') : work(detail, { ...context, household })
  })
}

/** A number of a detail as a date; undefined when there is no such date. */
export function dateOf(value: number): CivilDate | undefined {
  return isCivilDate(value) ? value : undefined
}
