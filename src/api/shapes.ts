import { Type } from 'typebox'
import Format from 'typebox/format'
import { civilDate, DATE_FORM, isCivilDate, readDate } from '../calendar.ts'

/** Standard names of OpenAPI, with this installation's rule: what is read here can be kept and read back everywhere. */
Format.Set('date', (text) => readDate(text) !== undefined)
Format.Set('date-time', isInstant)

/** What a format asks for, in words. */
export const formatWords: Readonly<Record<string, string>> = {
  date: `must be ${DATE_FORM}`,
  'date-time':
    'must be an instant that exists, of the years 1900 to 2999, written as ISO 8601 with its offset, such as 2026-11-11T12:00:00+02:00',
}

const INSTANT = /^(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-](0\d|1[0-4]):[0-5]\d)$/

/** V8 takes 30 February for 2 March, so the day is looked at by itself; the offset may lead out of the years. */
function isInstant(text: string): boolean {
  const day = INSTANT.exec(text)?.[1]
  const ms = Date.parse(text)
  return day !== undefined && readDate(day) !== undefined && !Number.isNaN(ms) && isCivilDate(civilDate(ms))
}

/** Shapes that many routes share. Each object is closed: what it does not name is refused, or does not get out. */
const closed = { additionalProperties: false }

/** A closed object. */
export function shape<T extends Parameters<typeof Type.Object>[0]>(properties: T) {
  return Type.Object(properties, closed)
}

const ID_MAX = 9_007_199_254_740_991

/** Number of something; the largest that JSON carries exactly. */
export const id = (what: string) => Type.Integer({ minimum: 1, maximum: ID_MAX, description: what })

/** Household or card: eleven digits, so that no card number passes for one. */
export const ownerId = (what: string) => Type.Integer({ minimum: 1, maximum: 99_999_999_999, description: what })

export const instant = (what: string) => Type.String({ description: `${what}; ISO 8601, UTC` })

/** Instant that a caller gives: ISO 8601 with its offset. */
export const givenInstant = (what: string) =>
  Type.String({
    format: 'date-time',
    description: `${what}; ISO 8601 with its offset, such as 2026-11-11T12:00:00+02:00`,
  })

/** A day; {@link DATE_FORM}. */
export const date = (what: string) => Type.String({ format: 'date', description: what })

/** Text of a person's, such as a reason. */
export const words = (what: string, max = 500) => Type.String({ minLength: 1, maxLength: max, description: what })

export const orNull = <T extends Parameters<typeof Type.Optional>[0]>(schema: T) => Type.Union([schema, Type.Null()])

/** How many at once, and from where on. */
export const paging = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, description: 'Rows of a page; 50 unless told.' })),
  cursor: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9_-]{1,200}$',
      description: '`next` of the page before; absent = the first page.',
    }),
  ),
}

export const PAGE = 50

/** A page of rows. */
export function pageOf<T extends Parameters<typeof Type.Array>[0]>(row: T) {
  return shape({
    items: Type.Array(row),
    next: orNull(Type.String({ description: 'Cursor of the next page; null = this is the last.' })),
  })
}

/** A command that the writer carries out, as a change of a household or card is answered. */
const commandShape = shape({
  commandId: Type.String({ description: 'Lane and number: the last part of its address.' }),
  kind: Type.String(),
  state: Type.Enum(['waiting', 'done', 'refused']),
  outcome: Type.Optional(Type.String({ description: 'In words.' })),
  journalId: Type.Optional(Type.Integer({ description: 'Row of the command journal.' })),
  householdId: Type.Optional(Type.Integer({ description: 'Of a household that is opened.' })),
  orderId: Type.Optional(Type.Integer({ description: 'Order of a card that this is about.' })),
})

/** Answers of a route that has a command carried out. */
export const commandAnswers = { 200: commandShape, 202: commandShape }
