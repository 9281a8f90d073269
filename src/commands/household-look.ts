import { Command } from 'commander'
import { type CivilDate, formatDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import { ordersOfHousehold } from '../store/people-orders.ts'
import {
  findMember,
  type Member,
  readDevices,
  readHouseholdEvents,
  readMembers,
  readPostalLink,
  requireFound,
} from '../store/people-reader.ts'
import { cardsOfHousehold, readHousehold } from '../store/search-households.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'
import { atPeopleDesk, householdNumber, noteLook, textOf } from './people-access.ts'

/** The commands that find a household and show it. */
export function householdLookCommands(io: CommandIo): Command[] {
  return [findCommand(io), showCommand(io)]
}

function findCommand(io: CommandIo): Command {
  const command = new Command('find').description(
    'find the household of a person who has no card to show; the audit notes who looked',
  )
  return withCommonOptions(command)
    .option('--by <what>', 'national-id or mobile', 'national-id')
    .option('--file <file>', 'holds the number; - reads standard input, where no list of processes shows it', '-')
    .action((options: CommonOptions & { readonly by: string; readonly file: string }) => {
      const { by, file } = options
      if (by !== 'national-id' && by !== 'mobile') throw new MizanError('BAD_INPUT', '--by is national-id or mobile')
      return atPeopleDesk(io, options, async (desk) => {
        const number = textOf(io, file)
        const found = await findMember(desk, by === 'mobile' ? { mobile: number } : { nationalId: number })
        await noteLook(io, desk.client, 'household find', ...found.map(({ householdId }) => householdId))
        requireFound(found)
        if (options.json) io.out(`${JSON.stringify(found)}\n`)
        for (const { householdId, personId, role, from, to } of options.json ? [] : found) {
          const until = to === undefined ? '' : ` until ${formatDate(to as CivilDate)}`
          io.out(
            `household ${householdId}  person ${personId}  ${role}  since ${formatDate(from as CivilDate)}${until}\n`,
          )
        }
      })
    })
}

function showCommand(io: CommandIo): Command {
  const command = new Command('show').description(
    'show a household: its people, numbers masked, its terms, cards and orders; the audit notes who looked',
  )
  return withCommonOptions(command)
    .argument('<household>', 'number of the household')
    .action((text: string, options: CommonOptions) =>
      atPeopleDesk(io, options, async (desk) => {
        const id = householdNumber(text)
        const household = await readHousehold(desk.client, id)
        await noteLook(io, desk.client, 'household show', id)
        const found = {
          ...household,
          members: await readMembers(desk, id),
          postalAccount: await readPostalLink(desk, id),
          cards: await cardsOfHousehold(desk.client, id),
          devices: await readDevices(desk, id),
          orders: await ordersOfHousehold(desk, id),
          events: await readHouseholdEvents(desk, id),
        }
        io.out(options.json ? `${JSON.stringify(found)}\n` : `${linesOf(found).join('\n')}\n`)
      }),
    )
}

type Shown = Awaited<ReturnType<typeof readHousehold>> & {
  readonly members: readonly Member[]
  readonly cards: Awaited<ReturnType<typeof cardsOfHousehold>>
  readonly orders: Awaited<ReturnType<typeof ordersOfHousehold>>
  readonly events: Awaited<ReturnType<typeof readHouseholdEvents>>
}

function linesOf({ id, governorate, classes, terms, members, cards, orders, events }: Shown): string[] {
  const dated = (value: number) => formatDate(value as CivilDate)
  return [
    `household ${id}, ${governorate}${classes.length === 0 ? '' : `, ${classes.join(', ')}`}`,
    ...terms.map((term) => `  from ${dated(term.from)}: ${term.members} member(s), ${term.status}`),
    ...members.map(
      (one) => `  person ${one.personId}  ${one.role}  ${one.nationalId}  ${one.name}  since ${dated(one.from)}`,
    ),
    ...cards.map((card) => `  card ${card.id}  ${card.pan}  ${card.kind}  ${card.status}`),
    ...orders.map((order) => `  order ${order.id}  ${order.reason}  ${order.state}, opened ${dated(order.openedOn)}`),
    ...events.map(
      (one) =>
        `  ${dated(one.effective)} ${one.event} (${one.reasonCode}) by ${one.actor}, counts from ${dated(one.countsFrom)}`,
    ),
  ]
}
