import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'
import { presentedRequest } from '../authorization/presentment.ts'
import { isCivilDate } from '../calendar.ts'
import type { InboxCommand } from '../store/command-inbox.ts'
import { type Chore, ofHousehold, type Presented } from './chores.ts'
import { parts } from './handlers/detail.ts'

const text = (pattern: string) => Type.String({ pattern })
const shortText = Type.String({ maxLength: 40 })

/** What a command `presentment` brings: an item of a clearing file, and what it was matched to. */
const presentmentSchema = Type.Object({
  /** `file:number` */
  item: text('^[0-9]{1,15}:[0-9]{1,9}$'),
  arn: text('^[0-9]{23}$'),
  code: text('^(0[567]|2[567])$'),
  usage: text('^[0-9]$'),
  type: text('^[0-9]{2}$'),
  piasters: parts.piasters,
  pan: text('^[0-9]{6}\\*{3,9}[0-9]{4}$'),
  transaction: text('^[0-9]{0,15}$'),
  rrn: shortText,
  acquirer: text('^[0-9]{1,11}$'),
  terminal: shortText,
  acceptor: shortText,
  mcc: text('^([0-9]{4})?$'),
  purchased: text('^[0-9]{4}$'),
  /** Sequence and count of several clearings. */
  part: Type.Optional(
    Type.Tuple([Type.Integer({ minimum: 1, maximum: 99 }), Type.Integer({ minimum: 1, maximum: 99 })]),
  ),
  /** The command that was refused for the same item, where people ask for it again. */
  again: Type.Optional(parts.id),
  outcome: shortText,
  /** Authorization, its business date, rule and confidence. */
  match: Type.Optional(Type.Tuple([parts.id, parts.date, shortText, Type.Integer({ minimum: 0, maximum: 100 })])),
  flags: Type.Array(shortText, { maxItems: 8 }),
})
export type PresentmentDetail = Static<typeof presentmentSchema>

/** A command of the inbox as a chore; a presentment of the network brings what it asks to be decided. */
export function commandChore(command: InboxCommand, nowMs: number): Chore {
  const whose = ofHousehold(command.panIndex, command.householdId)
  const chore = { kind: 'command', ...whose, command, refusal: undefined } as const
  if (command.kind !== 'presentment') return chore
  const presentment = presentedOf(command, nowMs)
  return presentment === undefined
    ? { ...chore, refusal: 'the detail is no presentment of a card' }
    : { ...chore, presentment }
}

function presentedOf({ detail, panIndex, cardId }: InboxCommand, nowMs: number): Presented | undefined {
  if (panIndex === undefined || cardId === undefined || !Value.Check(presentmentSchema, detail)) return undefined
  const { code, type, piasters, pan, transaction, purchased, part, match, again, ...same } = detail as PresentmentDetail
  const [id = 0, date = 0, rule = '', confidence = 0] = match ?? []
  const request = presentedRequest(
    {
      ...same,
      transactionCode: code,
      transactionType: type,
      amountPiasters: piasters,
      panMasked: pan,
      transactionId: transaction,
      purchaseDate: purchased,
      again,
      capture: part === undefined ? undefined : { sequence: part[0], count: part[1] },
      match: match === undefined ? undefined : { id, rule, confidence },
    },
    panIndex,
    nowMs,
  )
  if (match === undefined) return { request, original: undefined }
  return isCivilDate(date) ? { request, original: { id, businessDate: date } } : undefined
}
